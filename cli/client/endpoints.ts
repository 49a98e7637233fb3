import { join } from 'node:path';
import { DomainError } from '#platform/errors/domain-error.ts';
import { DEFAULT_LAB, labList, labStatus } from '../lab/index.ts';

/** Where the parts of a weft serve gRPC. */
export interface Endpoints {
  readonly ipam: string;
  readonly topology: string;
  readonly l2pop: string;
  readonly trace: string;
  readonly agent: (host: string) => string;
  /** Hosts whose agents can be asked by name; one without a name: the agent at hand. */
  readonly hosts: readonly string[];
}

/** What the command line and the environment say of it. */
export interface EndpointWishes {
  readonly address: string | undefined;
  readonly agent: string | undefined;
  readonly lab: string | undefined;
}

const DEFAULT_ADDRESS = '127.0.0.1:7701';
const LOCAL_AGENT = 'unix:/run/weft/agent.sock';

/** The sockets of a control plane whose data directory this machine sees. */
const controlSockets = (dataDir: string, isolated: boolean): Omit<Endpoints, 'agent' | 'hosts'> => {
  const socket = (name: string): string => `unix:${join(dataDir, `${name}.sock`)}`;
  return {
    ipam: socket(isolated ? 'ipam' : 'weft'),
    topology: socket(isolated ? 'topology' : 'weft'),
    l2pop: socket(isolated ? 'l2pop' : 'weft'),
    trace: socket('weft'),
  };
};

/** The parts of a lab. Throws `not_found`. */
export const labEndpoints = (lab: string): Endpoints => {
  const { stateDir, separate, hosts } = labStatus(lab);
  return {
    ...controlSockets(join(stateDir, 'data', 'control'), separate),
    hosts: hosts.map(({ name }) => name),
    agent: (host) => {
      if (host === '') {
        throw new DomainError(
          'invalid',
          'USAGE',
          `whose agent? name a host of lab ${lab}: ${hosts.map(({ name }) => name).join(', ')}`,
        );
      }
      if (!hosts.some(({ name }) => name === host)) {
        throw new DomainError(
          'not_found',
          'HOST_NOT_FOUND',
          `lab ${lab} has no host "${host}": ${hosts.map(({ name }) => name).join(', ')}`,
        );
      }
      return `unix:${join(stateDir, 'data', host, 'agent.sock')}`;
    },
  };
};

/** An address wins over a lab, a named lab over the default one, that over this machine's own control plane. */
export const findEndpoints = ({ address, agent, lab }: EndpointWishes): Endpoints => {
  const own = (): string => agent ?? LOCAL_AGENT;
  if (address !== undefined)
    return { ipam: address, topology: address, l2pop: address, trace: address, agent: own, hosts: [''] };
  if (lab !== undefined)
    return agent === undefined ? labEndpoints(lab) : { ...labEndpoints(lab), agent: own, hosts: [''] };
  if (agent === undefined && labList().some(({ name, state }) => name === DEFAULT_LAB && state === 'up'))
    return labEndpoints(DEFAULT_LAB);
  return {
    ipam: DEFAULT_ADDRESS,
    topology: DEFAULT_ADDRESS,
    l2pop: DEFAULT_ADDRESS,
    trace: DEFAULT_ADDRESS,
    agent: own,
    hosts: [''],
  };
};
