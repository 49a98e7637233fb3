import type { Origin } from '#platform/telemetry/origin.ts';

/** What a span tells of the step that was done in it. */
export interface Step {
  readonly name: string;
  readonly cause: string;
  readonly origin: Origin | undefined;
}

const REPORTS: Readonly<Record<string, string>> = {
  'agent.port-up': 'control plane: ReportPortUp',
  'agent.port-down': 'control plane: ReportPortDown',
};

const LOOKS: Readonly<Record<string, string>> = {
  start: 'this agent: its start, or the first port of a network here',
  drift: 'this agent: somebody else changed something on the host',
  periodic: 'this agent: a look at the host now and then',
  failure: 'this agent: a step that failed before',
  request: 'this agent: asked to compare',
  advice: 'control plane: what the host reported was not what it should hold',
};

const OWN: Readonly<Record<string, string>> = {
  'agent.pull': 'this agent: the table of a network, as l2pop has it',
  'agent.serve': 'this agent: what this host is to serve',
  'agent.release': 'this agent: a network without ports here',
};

/** What led to a step, and who called, as phrases. */
export const causeOf = ({ name, cause, origin }: Step): { readonly cause: string; readonly caller: string } => {
  if (origin === undefined) return { cause: LOOKS[cause] ?? 'this agent', caller: '' };
  const { name: first } = origin;
  // A peer on a unix socket has no address.
  const caller = origin.who === 'unix' ? 'a local client' : origin.who;
  const report = REPORTS[first];
  if (report !== undefined) return { cause: report, caller };
  const [service = '', method] = first.split('/');
  if (method !== undefined) {
    return { cause: `${service.startsWith('weft.agent.') ? 'this agent' : 'control plane'}: ${method}`, caller };
  }
  const own = OWN[first];
  if (own !== undefined) return { cause: own, caller: '' };
  // A trace that a step of the agent's began was begun by nobody else.
  if (first === name && LOOKS[cause] !== undefined) return { cause: LOOKS[cause], caller: '' };
  if (first.startsWith('agent.')) return { cause: `this agent: ${first.slice('agent.'.length)}`, caller: '' };
  return { cause: `control plane: ${first}`, caller };
};
