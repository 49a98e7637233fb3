import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetworkIntent, ProviderSegment } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { arbitraryWorld, PROVIDERS, providerChangeOf, providerIntentOf } from '../../testing/worlds.ts';
import { BRIDGE_MARK, physicalMark } from './marks.ts';
import type { ObservedOvsNetwork } from './observed.ts';
import { runsByBridge } from './operations.ts';
import { BASE_COOKIE, TABLES } from './pipeline.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import type { Site } from './site.ts';
import { allDone, FakeSwitch } from './testing/fake-switch.ts';
import { SITE, switchWithTaps } from './testing/one-network.ts';

const OUTER = 'br-provider';
const site: Site = { ...SITE, providerBridge: ({ device }) => ({ name: OUTER, uplink: device }) };
const EMPTY = { ports: new Map(), manualFlood: [] };

/** The integration bridge, and that of the physical network, of one switch. */
class Bridges {
  readonly inner: FakeSwitch;
  readonly outer: FakeSwitch;

  constructor(inner: FakeSwitch) {
    this.inner = inner;
    this.outer = new FakeSwitch(OUTER, inner.database);
    this.outer.addDevice('eth1');
  }

  static async made(): Promise<Bridges> {
    return new Bridges(await switchWithTaps());
  }

  async observe(intent: NetworkIntent): Promise<ObservedOvsNetwork> {
    const devices = [...intent.ports.values()].map(({ device }) => device);
    const row = this.outer.view.bridgeRow?.row;
    return {
      ...(await this.inner.observe(intent, devices)),
      provider: {
        ...(row !== undefined && {
          bridge: {
            datapathType: row.datapath_type,
            failMode: row.fail_mode,
            isOurs: row.external_ids.has(BRIDGE_MARK),
          },
        }),
        ports: this.outer.view.ports(),
        flows: row === undefined ? [] : this.outer.flows.filter(({ cookie }) => cookie === BASE_COOKIE),
        mark: this.inner.view.bridgeRow?.row.external_ids.get(physicalMark(intent.vni)),
        datapathType: 'netdev',
      },
    };
  }

  async plan(intent: NetworkIntent): Promise<readonly Operation[]> {
    return planNetwork(site, intent, await this.observe(intent));
  }

  async apply(operations: readonly Operation[]): Promise<void> {
    for (const run of runsByBridge(operations)) {
      const [first] = run;
      const isOuter = first !== undefined && 'bridge' in first && first.bridge === OUTER;
      allDone(await (isOuter ? this.outer : this.inner).apply(run));
    }
  }
}

describe.each(PROVIDERS)('a network on a physical network, VLAN $vlan', (provider: ProviderSegment) => {
  test('is brought from any state to any other in one round, and sends nothing back where it came from', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryWorld, arbitraryWorld, fc.boolean(), async (have, want, byChange) => {
        const bridges = await Bridges.made();
        await bridges.apply(await bridges.plan(providerIntentOf(have, provider)));
        const intent = providerIntentOf(want, provider);
        const { inner } = bridges;
        const known = {
          ports: inner.view.ports(),
          isExposed: (device: string) => inner.indexOf(device) !== undefined,
          indexOf: (device: string) => inner.indexOf(device),
        };
        await bridges.apply(
          byChange ? planNetworkChange(site, intent, providerChangeOf(have, want), known) : await bridges.plan(intent),
        );
        expect(await bridges.plan(intent)).toEqual([]);
        const { flows } = await bridges.observe(intent);
        const outputs = (fromOutside: bigint): readonly string[] =>
          flows
            .filter(({ table, match }) => table === TABLES.flood && match.reg0?.value === fromOutside)
            .flatMap(({ actions }) => actions.flatMap((each) => (each.kind === 'output' ? [each.device] : [])));
        const devices = [...intent.ports.values()].map(({ device }) => device).sort();
        expect(outputs(0n)).toEqual([...devices, 'int-br-provider']);
        expect(outputs(1n)).toEqual(devices);
        // Only what has no tag of the guest's own gets in, and only what has the network's comes from outside.
        for (const { table, inPort, match } of flows) {
          if (table !== TABLES.classify) continue;
          const isUplink = inPort === 'int-br-provider';
          const tag = provider.vlan === undefined || !isUplink ? 0n : 0x1000n | BigInt(provider.vlan);
          expect(match.vlan_vid).toEqual({ value: tag });
        }
      }),
      { numRuns: 100 },
    );
  });

  test('is mended whatever is taken away of what leads to it', async () => {
    const intent = providerIntentOf(EMPTY, provider);
    const bridges = await Bridges.made();
    await bridges.apply(await bridges.plan(intent));
    const { inner, outer } = bridges;
    const harms = [
      async (): Promise<void> => {
        outer.changeFlows([{ command: 'delete', cookie: BASE_COOKIE, cookieMask: (1n << 64n) - 1n }]);
        await Promise.resolve();
      },
      async (): Promise<void> => {
        const owned = { networkId: intent.networkId, vni: intent.vni, devices: [] };
        await bridges.apply(planNetworkRemoval(SITE.bridge, owned));
      },
    ];
    for (const harm of harms) {
      await harm();
      expect(await bridges.plan(intent)).not.toEqual([]);
      await bridges.apply(await bridges.plan(intent));
      expect(await bridges.plan(intent)).toEqual([]);
      expect([...outer.view.ports().keys()].sort()).toEqual([OUTER, 'eth1', 'phy-br-provider']);
      expect(inner.view.ports().get('int-br-provider')?.peer).toBe('phy-br-provider');
    }
  });

  test('goes with what led to it, unless another network needs that', async () => {
    const intent = providerIntentOf(EMPTY, provider);
    for (const isLast of [false, true]) {
      const bridges = await Bridges.made();
      await bridges.apply(await bridges.plan(intent));
      const providerBridge = { name: OUTER, isOurs: true, isLast };
      const owned = { networkId: intent.networkId, vni: intent.vni, devices: [], providerBridge };
      await bridges.apply(planNetworkRemoval(SITE.bridge, owned));
      expect((await bridges.observe(intent)).flows).toEqual([]);
      expect(bridges.inner.view.bridgeRow?.row.external_ids.has(physicalMark(intent.vni))).toBe(false);
      expect(bridges.outer.view.bridgeRow === undefined).toBe(isLast);
      expect(bridges.inner.view.ports().has('int-br-provider')).toBe(!isLast);
    }
  });
});

test("a bridge of that name which is not the agent's is not touched", async () => {
  const intent = providerIntentOf(EMPTY, PROVIDERS[0]);
  const observed = await (await Bridges.made()).observe(intent);
  const foreign = { datapathType: 'netdev', failMode: undefined, isOurs: false };
  const provider = observed.provider && { ...observed.provider, bridge: foreign };
  expect(() => planNetwork(site, intent, { ...observed, ...(provider && { provider }) })).toThrow('map it as it is');
});
