import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowKey, sameFlow } from '../../protocols/openflow/flow-identity.ts';
import { OFPP } from '../../protocols/openflow/flow.ts';
import type { Flow } from '../../protocols/openflow/flow.ts';
import { arbitraryFlow } from '../../protocols/openflow/testing/arbitrary-flow.ts';
import { BACK, isDevice, named, numbered } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey, specText } from './flow-text.ts';
import { PortNumbers } from './port-numbers.ts';

const PORTS = new Map([
  ['tap1', 1],
  ['tap2', 2],
  ['normal', 3],
]);
const numbers = new PortNumbers();
numbers.update(new Map([...PORTS].map(([device, ofport]) => [device, { device, ofport, isOurs: true }] as const)));

const nameOf = (port: number): string | undefined => numbers.nameOf(port);

/** Flows most of whose ports have names. */
const flowOfPorts = fc
  .tuple(arbitraryFlow, fc.array(fc.constantFrom(1, 2, 3, 9, OFPP.LOCAL, OFPP.NORMAL, OFPP.IN_PORT), { minLength: 8 }))
  .map(([flow, ports]): Flow => {
    const [first = 1, ...rest] = ports;
    const { in_port: inPort, ...match } = flow.match;
    return {
      ...flow,
      match: { ...match, ...(inPort !== undefined && { in_port: { value: BigInt(first) } }) },
      actions: flow.actions.map((action, at) =>
        action.kind === 'output' ? { ...action, port: rest[at % rest.length] ?? 1 } : action,
      ),
    };
  });

test('a flow that is read back by names is written as it was, whoever has its ports', () => {
  fc.assert(
    fc.property(flowOfPorts, (flow) => {
      const spec = named(flow, nameOf);
      const { flow: again, missing } = numbered(spec, (device) => numbers.last(device));
      expect(missing).toEqual([]);
      expect(again !== undefined && sameFlow(again, flow)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test('two flows are the same by names where they are by numbers, and only there', () => {
  fc.assert(
    fc.property(flowOfPorts, flowOfPorts, fc.boolean(), (one, other, alike) => {
      const compared = alike ? { ...one, actions: other.actions } : other;
      const [a, b] = [named(one, nameOf), named(compared, nameOf)];
      expect(sameSpec(a, a)).toBe(true);
      expect(sameSpec(a, b)).toBe(sameFlow(one, compared));
      expect(specKey(a) === specKey(b)).toBe(flowKey(one) === flowKey(compared));
    }),
    { numRuns: 1_000 },
  );
});

const spec: FlowSpec = {
  table: 0,
  priority: 100,
  cookie: 1n,
  match: {},
  inPort: 'tap1',
  actions: [
    { kind: 'output', device: 'tap2' },
    { kind: 'output', device: 'tap9' },
    { kind: 'output', device: BACK },
  ],
};

test('an output to a device without a number is left out and named; without that of its input a flow is none', () => {
  const { flow, missing } = numbered(spec, (device) => PORTS.get(device));
  expect(flow?.actions).toEqual([
    { kind: 'output', port: 2 },
    { kind: 'output', port: OFPP.IN_PORT },
  ]);
  expect(missing).toEqual(['tap9']);
  expect(numbered({ ...spec, inPort: 'tap9' }, (device) => PORTS.get(device))).toEqual({
    flow: undefined,
    missing: ['tap9', 'tap9'],
  });
});

test('a port of somebody is what it is called, and what is no device is called as none can be', () => {
  const outputs = [3, OFPP.NORMAL, OFPP.LOCAL, 9].map((port) => ({ kind: 'output' as const, port }));
  const { actions } = named({ table: 0, priority: 1, cookie: 1n, match: {}, actions: outputs }, nameOf);
  const names = actions.map((action) => (action.kind === 'output' ? action.device : ''));
  expect(names.map(isDevice)).toEqual([true, false, false, false]);
  expect(names).toEqual(['normal', ':normal', ':local', ':9']);
});

test('a flow is written as a person would write it: devices by name, other ports by number', () => {
  expect(specText(spec)).toBe('cookie=0x1,table=0,priority=100,in_port=tap1 actions=output:tap2,output:tap9,IN_PORT');
  expect(specText({ ...spec, inPort: ':9' }, 'match')).toBe('table=0,priority=100,in_port=9');
});
