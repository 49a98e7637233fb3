import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHostId, parseUuid, type HostId } from '#platform/net/names.ts';
import { dhcpPortId } from './device-owner.ts';
import { dhcpSteps, type DhcpStep, Loads, type PlacedPort } from './serving.ts';

const NETWORK = parseUuid('id', '0af1e6d2-8c3f-4b15-9d4e-6a1b2c3d4e5f');
const hostsOf = (names: readonly string[]): readonly HostId[] => names.map((name) => parseHostId('id', name));

const done = (ports: readonly PlacedPort[], steps: readonly DhcpStep[]): readonly PlacedPort[] =>
  steps.reduce<readonly PlacedPort[]>((now, step) => {
    switch (step.kind) {
      case 'create':
        return [...now, { id: dhcpPortId(NETWORK, step.ordinal), hostId: step.on }];
      case 'move':
        return now.map((port) => (port.id === step.id ? { ...port, hostId: step.to } : port));
      case 'delete':
        return now.filter(({ id }) => id !== step.id);
    }
  }, ports);

const someHosts = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 });
const somePorts = fc.uniqueArray(fc.nat({ max: 6 }), { maxLength: 5 }).chain((ordinals) =>
  fc.tuple(
    ...ordinals.map((ordinal) =>
      fc.record({
        id: fc.constant(dhcpPortId(NETWORK, ordinal)),
        hostId: fc.option(fc.constantFrom(...hostsOf(['a', 'b', 'c', 'x', 'y'])), { nil: undefined }),
      }),
    ),
  ),
);

test('whatever was there, the steps lead to ports on as many different hosts as can be, and then there are none', () => {
  fc.assert(
    fc.property(someHosts, somePorts, fc.nat({ max: 4 }), (names, ports, count) => {
      const hosts = hostsOf(names);
      const after = done(ports, dhcpSteps(NETWORK, { count, ports, hosts }, new Loads()));
      const served = after.flatMap(({ hostId }) => (hostId !== undefined && hosts.includes(hostId) ? [hostId] : []));
      expect(new Set(served).size).toBe(served.length);
      expect(served).toHaveLength(Math.min(count, hosts.length));
      expect(after.length).toBeLessThanOrEqual(count);
      expect(dhcpSteps(NETWORK, { count, ports: after, hosts }, new Loads())).toEqual([]);
    }),
  );
});

test('what is served stays where it is', () => {
  fc.assert(
    fc.property(someHosts, somePorts, (names, ports) => {
      const hosts = hostsOf(names);
      const first = ports.find(({ id }) => id === dhcpPortId(NETWORK, 0));
      const steps = dhcpSteps(NETWORK, { count: 1, ports, hosts }, new Loads());
      const isServed = first?.hostId !== undefined && hosts.includes(first.hostId);
      if (isServed) expect(steps.filter((step) => step.kind !== 'delete')).toEqual([]);
    }),
  );
});

test('a port goes to the host with the least, the first of several; without a host it stays', () => {
  const hosts = hostsOf(['b', 'a', 'c']);
  const loads = new Loads();
  for (const host of hostsOf(['a', 'b', 'b'])) loads.add(host);
  const to = (all: readonly HostId[]) => dhcpSteps(NETWORK, { count: 1, ports: [], hosts: all }, loads);
  expect(to(hosts)).toEqual([{ kind: 'create', ordinal: 0, on: 'c' }]);
  expect(to(hosts)).toEqual([{ kind: 'create', ordinal: 0, on: 'a' }]);
  const orphan = { id: dhcpPortId(NETWORK, 0), hostId: parseHostId('id', 'gone') };
  expect(dhcpSteps(NETWORK, { count: 1, ports: [orphan], hosts: [] }, loads)).toEqual([]);
});
