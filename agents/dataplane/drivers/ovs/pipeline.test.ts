import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipToBigInt, ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import { atOnce } from '#platform/testing/at-once.ts';
import type { LocalPort, NetworkIntent } from '../../model/intent.ts';
import type { Destination } from '../../model/rows.ts';
import { claimsOf } from '../../plan/claims.ts';
import { wantedRows } from '../../plan/wanted-rows.ts';
import { arbitraryWorld, DEVICES, HOST, intentOf } from '../../testing/worlds.ts';
import { tunnelName } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import { planNetwork } from './plan.ts';
import { allDone } from './testing/fake-switch.ts';
import { sentOf } from './testing/frames.ts';
import type { Fields, Sent } from './testing/frames.ts';
import { bring, SITE, switchWithTaps } from './testing/one-network.ts';

const OTHER = {
  networkId: parseUuid('id', '0a1b2c3d-4400-4000-8000-000000000002'),
  vni: parseVni('vni', 71),
  mtu: 1450,
};
const BROADCAST = 0xffff_ffff_ffffn;
const STRANGER = 0x0200_0000_0099n;
const GUEST = 0x0200_0000_0001n;

const macNumber = (mac: MacAddress): bigint => BigInt(`0x${mac.replaceAll(':', '')}`);

const otherName = (device: string): string => device.replace('tap', 'oth');

/** The same world as another network's: the same addresses, other devices. */
const asOther = (intent: NetworkIntent): NetworkIntent => ({
  ...intent,
  ...OTHER,
  ports: new Map([...intent.ports].map(([id, port]) => [id, { ...port, device: otherName(port.device) }])),
});

/** What guests may send is another test's matter. */
const unchecked = (intent: NetworkIntent): NetworkIntent => ({
  ...intent,
  ports: new Map(
    [...intent.ports].map(([id, port]) => [id, { ...port, security: { ...port.security, enabled: false } }]),
  ),
});

interface Scene {
  readonly flows: readonly FlowSpec[];
  readonly intent: NetworkIntent;
}

/** The flows of two networks in one switch, and what one of them wants. */
const scenes = async (check: (scene: Scene) => void): Promise<void> => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (world, otherWorld) => {
      const fake = await switchWithTaps([...DEVICES, ...DEVICES.map(otherName)]);
      const [intent, other] = [unchecked(intentOf(world)), asOther(unchecked(intentOf(otherWorld)))];
      await bring(fake, intent);
      const devices = [...other.ports.values()].map(({ device }) => device);
      allDone(await fake.apply(atOnce(planNetwork(SITE, other, await fake.observe(OTHER, devices)))));
      check({ flows: fake.flows, intent });
      check({ flows: fake.flows, intent: other });
    }),
    { numRuns: 150 },
  );
};

/** A copy as one word: the device, and for a tunnel where it leads and as whose. */
const wordOf = ({ device, fields }: Sent): string =>
  device.startsWith('vxlan-') ? tunnelWord(device, fields.tun_dst ?? 0n, fields.tun_id ?? 0n) : device;
const tunnelWord = (device: string, to: bigint, vni: bigint): string =>
  `${device} ${to.toString(16)} ${vni.toString()}`;
const remoteWord = ({ vni }: NetworkIntent, { address, udpPort }: Destination): string =>
  tunnelWord(tunnelName(udpPort), ipToBigInt(address), BigInt(vni));

const sent = ({ flows }: Scene, from: string, frame: Fields): readonly string[] =>
  sentOf(flows, from, frame).map(wordOf).sort();

const devicesOf = ({ ports }: NetworkIntent, but?: string): readonly string[] =>
  [...ports.values()].map(({ device }) => device).filter((device) => device !== but);

/** All guests here but the sender, and all other hosts of the network, each once. */
const everybody = (intent: NetworkIntent, but: string): readonly string[] =>
  [
    ...devicesOf(intent, but),
    ...[...wantedRows(HOST, intent, undefined).flood.values()].map((to) => remoteWord(intent, to)),
  ].sort();

const localPorts = ({ intent }: Scene): readonly LocalPort[] => [...intent.ports.values()];

describe('what a guest sends', () => {
  test('to all goes to each guest here and to each other host of its network, once, and never back', async () => {
    await scenes((scene) => {
      for (const { device } of localPorts(scene)) {
        for (const eth_dst of [BROADCAST, 0x3333_0000_0001n, STRANGER])
          expect(sent(scene, device, { eth_dst, eth_src: GUEST })).toEqual(everybody(scene.intent, device));
      }
    });
  });

  test('to one goes there alone', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      const { fdb, bridgeFdb } = wantedRows(HOST, intent, undefined);
      for (const { device } of localPorts(scene)) {
        const to = (mac: MacAddress): readonly string[] => sent(scene, device, { eth_dst: macNumber(mac) });
        for (const [mac, destination] of fdb) expect(to(mac)).toEqual([remoteWord(intent, destination)]);
        for (const [mac, port] of bridgeFdb) expect(to(mac)).toEqual(port === device ? [] : [port]);
      }
    });
  });
});

describe('what comes out of a tunnel', () => {
  const arriving = ({ vni }: NetworkIntent, fields: Fields): Fields => ({
    ...fields,
    tun_id: BigInt(vni),
    tun_dst: 1n,
  });
  const tunnels = [4789, 8472].map(tunnelName);

  test('goes to guests here, whoever it is for, and never into a tunnel again', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      const { fdb, bridgeFdb } = wantedRows(HOST, intent, undefined);
      for (const tunnel of tunnels) {
        const to = (eth_dst: bigint): readonly string[] => sent(scene, tunnel, arriving(intent, { eth_dst }));
        for (const [mac, port] of bridgeFdb) expect(to(macNumber(mac))).toEqual([port]);
        for (const dst of [BROADCAST, STRANGER, ...[...fdb.keys()].map(macNumber)])
          expect(to(dst)).toEqual([...devicesOf(intent)].sort());
      }
    });
  });

  test('is not answered here, and of a network that is not here goes nowhere', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      for (const [ip] of wantedRows(HOST, intent, undefined).neighbours) {
        const reached = sent(scene, tunnelName(4789), arriving(intent, { ...question(ip), eth_dst: BROADCAST }));
        expect(reached).toEqual([...devicesOf(intent)].sort());
      }
      expect(sent(scene, tunnelName(4789), { eth_dst: BROADCAST, tun_id: 99n })).toEqual([]);
      expect(sent(scene, 'br-int', { eth_dst: BROADCAST })).toEqual([]);
      expect(sent(scene, 'stranger', { eth_dst: BROADCAST })).toEqual([]);
    });
  });
});

const ASKER = 0x0a00_0063n;

/** Who has this address? */
const question = (ip: IpAddress): Fields => {
  const target = ipToBigInt(ip);
  return ipVersion(ip) === 4
    ? { eth_type: 0x0806n, eth_src: GUEST, arp_op: 1n, arp_sha: GUEST, arp_spa: ASKER, arp_tha: 0n, arp_tpa: target }
    : {
        ...{ eth_type: 0x86ddn, eth_src: GUEST, ip_proto: 58n, ipv6_src: 0xfd00n << 112n, ipv6_dst: target },
        ...{ icmpv6_type: 135n, icmpv6_code: 0n, nd_target: target, nd_options_type: 1n },
      };
};

describe('a question for an address', () => {
  const all = { eth_dst: BROADCAST };

  test('elsewhere is answered by the switch, to who asked alone', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      const { neighbours } = wantedRows(HOST, intent, undefined);
      for (const { device } of localPorts(scene)) {
        for (const [ip, mac] of neighbours) {
          const [answer, ...more] = sentOf(scene.flows, device, { ...question(ip), ...all });
          expect(more).toEqual([]);
          expect(answer?.device).toBe(device);
          const addresses = { eth_src: macNumber(mac), eth_dst: GUEST };
          if (ipVersion(ip) === 4) {
            const asked = { arp_op: 2n, arp_tha: GUEST, arp_tpa: ASKER };
            const told = { arp_sha: macNumber(mac), arp_spa: ipToBigInt(ip) };
            expect(answer?.fields).toMatchObject({ ...addresses, ...asked, ...told });
          } else {
            const told = { icmpv6_type: 136n, nd_target: ipToBigInt(ip), nd_tll: macNumber(mac), nd_options_type: 2n };
            const way = { ipv6_src: ipToBigInt(ip), ipv6_dst: 0xfd00n << 112n, nd_reserved: 0x6000_0000n };
            expect(answer?.fields).toMatchObject({ ...addresses, ...told, ...way });
          }
        }
      }
    });
  });

  test('of a guest here, or of nobody, goes to all: who has it answers', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      const { neighbours } = wantedRows(HOST, intent, undefined);
      const here = [...claimsOf(HOST, intent).ips.keys()].filter((ip) => !neighbours.has(ip));
      for (const { device } of localPorts(scene)) {
        for (const ip of here)
          expect(sent(scene, device, { ...question(ip), ...all })).toEqual(everybody(intent, device));
      }
    });
  });

  test('of one who has no address yet goes to all: whoever has it must object himself', async () => {
    await scenes((scene) => {
      const { intent } = scene;
      for (const { device } of localPorts(scene)) {
        for (const [ip] of wantedRows(HOST, intent, undefined).neighbours) {
          if (ipVersion(ip) === 4) continue;
          const probe = { ...question(ip), ...all, ipv6_src: 0n };
          expect(sent(scene, device, probe)).toEqual(everybody(intent, device));
        }
      }
    });
  });

  test('is led to the one asked for, where the datapath cannot answer', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryWorld, async (world) => {
        const intent = unchecked(intentOf(world));
        const fake = await switchWithTaps(DEVICES, { directsSolicitations: true });
        await bring(fake, intent, { directsSolicitations: true });
        const { neighbours, fdb } = wantedRows(HOST, intent, undefined);
        for (const { device } of intent.ports.values()) {
          for (const [ip, mac] of neighbours) {
            const to = fdb.get(mac);
            if (ipVersion(ip) === 4 || to === undefined) continue;
            const [led, ...more] = sentOf(fake.flows, device, { ...question(ip), ...all });
            expect(more).toEqual([]);
            expect(led === undefined ? '' : wordOf(led)).toBe(remoteWord(intent, to));
            expect(led?.fields).toMatchObject({ eth_dst: macNumber(mac), icmpv6_type: 135n });
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
