import { expect, test } from 'vitest';
import { causeOf } from './cause.ts';

const cause = (name: string, why: string, first?: string, who = ''): string => {
  const { cause: what, caller } = causeOf({
    name,
    cause: why,
    origin: first === undefined ? undefined : { name: first, who },
  });
  return caller === '' ? what : `${what} by ${caller}`;
};

test.each([
  [['agent.apply', '', 'agent.port-up', 'host h2'], 'control plane: ReportPortUp by host h2'],
  [['agent.audit', 'start', 'agent.port-up', 'host h1'], 'control plane: ReportPortUp by host h1'],
  [['agent.audit', 'drift', 'agent.audit', 'host h1'], 'this agent: somebody else changed something on the host'],
  [
    ['agent.serve', 'change', 'weft.topology.v1.RouterService/AddRouterInterface', '10.0.0.7:4242'],
    'control plane: AddRouterInterface by 10.0.0.7:4242',
  ],
  [['agent.audit', 'request', 'weft.agent.v1.AgentService/Apply', 'unix'], 'this agent: Apply by a local client'],
  [['agent.apply', '', 'agent.pull', 'host h1'], 'this agent: the table of a network, as l2pop has it'],
  [['agent.apply', '', 'l2pop.reconcile', ''], 'control plane: l2pop.reconcile'],
  [['', ''], 'this agent'],
] as const)('%j', (given, said) => {
  const [name, why, first, who] = given as readonly [string, string, string?, string?];
  expect(cause(name, why, first, who)).toBe(said);
});
