import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetworkIntent, ProviderSegment } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { moveBackLines, movedDevice } from '../../plan/address-moves.ts';
import { arbitraryWorld, DEVICES, HOST, PROVIDERS, providerChangeOf, providerIntentOf } from '../../testing/worlds.ts';
import { devicesOf, uplinkName } from './devices.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import { FakeKernel } from './testing/fake-kernel.ts';

const kernelWith = (...devices: readonly string[]): FakeKernel => {
  const kernel = new FakeKernel();
  for (const device of ['eth1', ...devices]) kernel.addDevice(device);
  return kernel;
};

const plan = (kernel: FakeKernel, intent: NetworkIntent): readonly Operation[] =>
  planNetwork(HOST, intent, kernel.observe(intent));

const bring = (kernel: FakeKernel, operations: readonly Operation[]): void => {
  expect(kernel.apply(operations).filter(({ error }) => error !== undefined)).toEqual([]);
};

const EMPTY = { ports: new Map(), manualFlood: [] };
const [FLAT, TAGGED] = PROVIDERS;

describe.each(PROVIDERS)('a network on a physical network, VLAN $vlan', (provider: ProviderSegment) => {
  test('is brought from any state to any other in one round, with its interface in the bridge and no rows', () => {
    fc.assert(
      fc.property(arbitraryWorld, arbitraryWorld, fc.boolean(), (have, want, byChange) => {
        const kernel = kernelWith(...DEVICES);
        bring(kernel, plan(kernel, providerIntentOf(have, provider)));
        const intent = providerIntentOf(want, provider);
        bring(kernel, byChange ? planNetworkChange(HOST, intent, providerChangeOf(have, want)) : plan(kernel, intent));
        expect(plan(kernel, intent)).toEqual([]);
        const { bridge, uplink } = devicesOf(intent);
        const { rows, links, isolated } = kernel.observe(intent);
        expect(links.get(uplink)).toMatchObject({ master: bridge, up: true, port: { learning: true } });
        expect([rows.fdb.size, rows.bridgeFdb.size, rows.neighbours.size, rows.flood.size]).toEqual([0, 0, 0, 0]);
        for (const { device } of intent.ports.values())
          expect(links.get(device)).toMatchObject({ master: bridge, port: { learning: true } });
        expect([...links.keys()].some((name) => name.startsWith('vxlan-'))).toBe(false);
        expect(isolated).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('is put right when its interface is taken out, set down or told not to learn', () => {
    const intent = providerIntentOf(EMPTY, provider);
    const uplink = uplinkName(provider);
    const { bridge } = devicesOf(intent);
    for (const words of [['nomaster'], ['type', 'bridge_slave', 'learning', 'off']]) {
      const kernel = kernelWith();
      bring(kernel, plan(kernel, intent));
      const byHand = ['ip', 'link', 'set', 'dev', uplink, ...words];
      bring(kernel, [{ kind: 'set', key: '', argv: byHand, reason: '', networkId: intent.networkId }]);
      expect(plan(kernel, intent)).toHaveLength(1);
      bring(kernel, plan(kernel, intent));
      expect(kernel.linkOf(uplink)).toMatchObject({ master: bridge, port: { learning: true } });
    }
  });

  test('leaves the interface behind when it goes, and nothing else', () => {
    const kernel = kernelWith();
    const intent = providerIntentOf(EMPTY, provider);
    bring(kernel, plan(kernel, intent));
    const { bridge, uplink } = devicesOf(intent);
    const devices = uplink === 'eth1' ? [bridge] : [bridge, uplink];
    bring(
      kernel,
      planNetworkRemoval({ networkId: intent.networkId, devices, ports: uplink === 'eth1' ? ['eth1'] : [] }),
    );
    expect(kernel.hasDevice(bridge)).toBe(false);
    expect(kernel.linkOf('eth1')?.master).toBeUndefined();
    expect(kernel.hasDevice('eth1')).toBe(true);
    if (uplink !== 'eth1') expect(kernel.hasDevice(uplink)).toBe(false);
  });
});

describe("the host's own addresses", () => {
  const address = '10.0.0.5/24';
  const route = 'default via 10.0.0.1 metric 50';
  const moved = (): FakeKernel => {
    const kernel = kernelWith();
    kernel.addAddress('eth1', address, route);
    bring(kernel, plan(kernel, providerIntentOf(EMPTY, FLAT)));
    return kernel;
  };
  const intent = providerIntentOf(EMPTY, FLAT);
  const { bridge } = devicesOf(intent);

  test('move with the interface to the bridge, routes and all, and the host stays reachable there', () => {
    const kernel = moved();
    expect(kernel.own('eth1')).toEqual({ addresses: [], routes: [] });
    expect(kernel.own(bridge)).toEqual({ addresses: [address], routes: [route] });
    expect(kernel.observe(intent).isolated).toBe(false);
    expect(plan(kernel, intent)).toEqual([]);
  });

  test('go back to the interface when the network goes', () => {
    const kernel = moved();
    const at = kernel.interfaceOf(bridge);
    const home = at && { at, routes: kernel.routesOf(bridge), of: 'eth1' };
    bring(
      kernel,
      planNetworkRemoval({ networkId: intent.networkId, devices: [bridge], ports: ['eth1'], ...(home && { home }) }),
    );
    expect(kernel.own('eth1')).toEqual({ addresses: [address], routes: [route] });
    expect(kernel.hasDevice(bridge)).toBe(false);
  });

  test('are moved back, however far the move has come', () => {
    const steps = (() => {
      const kernel = kernelWith();
      kernel.addAddress('eth1', address, route);
      return plan(kernel, intent);
    })();
    expect(movedDevice(steps)).toBe('eth1');
    for (let done = 0; done <= steps.length; done += 1) {
      const kernel = kernelWith();
      kernel.addAddress('eth1', address, route);
      kernel.apply(steps.slice(0, done));
      for (const line of ['link set dev eth1 nomaster', ...moveBackLines(steps)]) {
        kernel.run({ kind: '', key: '', argv: ['ip', ...line.split(' ')], reason: '', networkId: intent.networkId });
      }
      expect(kernel.linkOf('eth1')?.master).toBeUndefined();
      expect(kernel.own('eth1')).toEqual({ addresses: [address], routes: [route] });
      expect(kernel.own(bridge).addresses).toEqual([]);
    }
  });

  test('stay where they are when only a tag is put on frames', () => {
    const kernel = kernelWith();
    kernel.addAddress('eth1', address, route);
    bring(kernel, plan(kernel, providerIntentOf(EMPTY, TAGGED)));
    expect(kernel.own('eth1')).toEqual({ addresses: [address], routes: [route] });
  });
});
