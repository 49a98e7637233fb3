import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMac } from '#platform/net/mac-address.ts';
import { atOnce } from '#platform/testing/at-once.ts';
import type { HostInterface } from '../../model/interface.ts';
import type { NetworkIntent, ProviderSegment } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { moveBackLines, movedDevice } from '../../plan/address-moves.ts';
import { openingOf } from '../../plan/isolation.ts';
import { arbitraryWorld, PROVIDERS, providerChangeOf, providerIntentOf } from '../../testing/worlds.ts';
import { FakeAddresses } from '../../testing/fake-addresses.ts';
import { LOCAL } from './flow-spec.ts';
import { BRIDGE_MARK, physicalMark } from './marks.ts';
import type { ObservedOvsNetwork, ObservedOwn } from './observed.ts';
import { runsByBridge } from './operations.ts';
import { BASE_COOKIE, PRIORITY, TABLES } from './pipeline.ts';
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
  readonly own = new FakeAddresses();
  readonly up = new Set<string>();

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
        own: await this.#observeOwn(),
      },
    };
  }

  async #observeOwn(): Promise<ObservedOwn> {
    const [device, local] = [this.interfaceOf('eth1'), this.interfaceOf(OUTER)];
    const bears = local.addresses.length > 0;
    return {
      ...(device.addresses.length > 0 && { moving: { device, routes: this.own.routesOf('eth1') } }),
      ...(bears && { local }),
      isExposed: bears && !(await this.outer.isIsolated('eth1')),
    };
  }

  interfaceOf(name: string): HostInterface {
    const mac = parseMac('mac', '02:00:00:00:00:01');
    return { name, up: this.up.has(name), mtu: 1500, mac, addresses: this.own.addressesOf(name) };
  }

  /** Does one step of `ip`, or one line of its batch. */
  ip(words: readonly string[]): string | undefined {
    const [noun, verb = '', ...rest] = words;
    const device = noun === 'link' ? rest[1] : rest.at(-1);
    if (device !== 'eth1' && this.outer.view.bridgeRow === undefined) return `Cannot find device "${device ?? ''}"`;
    if (noun === 'address') return this.own.address(verb, rest);
    if (noun === 'route') return this.own.route(rest);
    if (rest.at(-1) === 'up') this.up.add(device ?? '');
    return undefined;
  }

  async plan(intent: NetworkIntent): Promise<readonly Operation[]> {
    return atOnce(planNetwork(site, intent, await this.observe(intent)));
  }

  async apply(operations: readonly Operation[]): Promise<void> {
    for (const run of runsByBridge(operations)) {
      const [first] = run;
      if (first !== undefined && !('bridge' in first)) {
        expect(run.map(({ argv }) => this.ip(argv.slice(1)))).toEqual(run.map(() => undefined));
        continue;
      }
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

describe.each(PROVIDERS)("the host's own addresses, VLAN $vlan", (provider: ProviderSegment) => {
  const address = '10.0.0.5/24';
  const route = 'default via 10.0.0.1 metric 50';
  const THERE = { addresses: [address], routes: [route] };
  const NONE = { addresses: [], routes: [] };
  const withAddress = async (): Promise<Bridges> => {
    const bridges = await Bridges.made();
    bridges.own.add('eth1', address, route);
    return bridges;
  };
  const ways = (bridges: Bridges): readonly string[] =>
    bridges.outer.flows
      .filter(({ priority, match }) => priority === PRIORITY.exception || match.eth_dst === undefined)
      .map(({ inPort = '', match, actions }) => {
        const to = actions.flatMap((each) => (each.kind === 'output' ? [each.device] : []));
        const whom = match.eth_dst === undefined ? 'any' : match.eth_dst.mask === undefined ? 'own' : 'group';
        return `${inPort} ${whom} > ${to.join(' ')}`;
      })
      .sort();
  const PLAIN = ['eth1 any > phy-br-provider', 'phy-br-provider any > eth1'];

  test('move from the interface to the bridge, from any state to any other, and are a station of the wire there', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryWorld, arbitraryWorld, fc.boolean(), async (have, want, isLate) => {
        const bridges = isLate ? await Bridges.made() : await withAddress();
        await bridges.apply(await bridges.plan(providerIntentOf(have, provider)));
        expect(bridges.own.on(OUTER)).toEqual(isLate ? NONE : THERE);
        if (isLate) bridges.own.add('eth1', address, route);
        const intent = providerIntentOf(want, provider);
        await bridges.apply(await bridges.plan(intent));
        expect(await bridges.plan(intent)).toEqual([]);
        expect(bridges.own.on('eth1')).toEqual(NONE);
        expect(bridges.own.on(OUTER)).toEqual(THERE);
        expect(bridges.up.has(OUTER)).toBe(true);
        expect(await bridges.outer.isIsolated('eth1')).toBe(true);
        expect(bridges.outer.view.bridgeRow?.row.other_config.get('hwaddr')).toBe('02:00:00:00:00:01');
        expect(ways(bridges)).toEqual(
          [
            ...PLAIN,
            ...[`${LOCAL} any > eth1 phy-br-provider`, `eth1 own > ${LOCAL}`, `phy-br-provider own > ${LOCAL}`],
            ...[`eth1 group > phy-br-provider ${LOCAL}`, `phy-br-provider group > eth1 ${LOCAL}`],
          ].sort(),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('go back to the interface when the last network goes', async () => {
    const intent = providerIntentOf(EMPTY, provider);
    for (const isLast of [false, true]) {
      const bridges = await withAddress();
      await bridges.apply(await bridges.plan(intent));
      const home = {
        at: bridges.interfaceOf(OUTER),
        routes: bridges.own.routesOf(OUTER),
        ...{ of: 'eth1', settings: openingOf('eth1') },
      };
      const providerBridge = { name: OUTER, isOurs: true, isLast };
      const owned = { networkId: intent.networkId, vni: intent.vni, devices: [], providerBridge, home };
      await bridges.apply(planNetworkRemoval(SITE.bridge, owned));
      expect(bridges.own.on(isLast ? 'eth1' : OUTER)).toEqual(THERE);
      expect(await bridges.outer.isIsolated('eth1')).toBe(!isLast);
    }
  });

  test('are moved back, however far the move has come; without them there is no way to the host', async () => {
    const intent = providerIntentOf(EMPTY, provider);
    const steps = await (await withAddress()).plan(intent);
    expect(movedDevice(steps)).toBe('eth1');
    for (let done = 0; done <= steps.length; done += 1) {
      const bridges = await withAddress();
      await bridges.apply(steps.slice(0, done));
      for (const line of moveBackLines(steps)) bridges.ip(line.split(' '));
      expect(bridges.own.on('eth1')).toEqual(THERE);
      expect(bridges.own.on(OUTER).addresses).toEqual([]);
    }
    const bridges = await Bridges.made();
    await bridges.apply(await bridges.plan(intent));
    expect(ways(bridges)).toEqual(PLAIN);
  });
});

test("a bridge of that name which is not the agent's is not touched", async () => {
  const intent = providerIntentOf(EMPTY, PROVIDERS[0]);
  const observed = await (await Bridges.made()).observe(intent);
  const foreign = { datapathType: 'netdev', failMode: undefined, isOurs: false };
  const provider = observed.provider && { ...observed.provider, bridge: foreign };
  expect(() => atOnce(planNetwork(site, intent, { ...observed, ...(provider && { provider }) }))).toThrow(
    'map it as it is',
  );
});
