import fc from 'fast-check';
import { parseOverlay } from '../model/parse.ts';
import type { OverlayText } from '../model/parse.ts';
import type { OverlayRecord, OverlaySpec } from '../model/spec.ts';
import { nameDevices } from '../plan/naming.ts';
import { FakeHost } from './fake-host.ts';

/** The overlay of the first host as people set it up by hand. */
export const EXAMPLE: OverlayText = {
  name: 'blue',
  bridge_name: 'ovs_sw0',
  addresses: ['10.100.0.1/8'],
  vni: 0,
  udp_port: 0,
  local_address: '',
  peers: [{ device_name: '', remote_address: '192.168.10.164' }],
  mtu: 0,
  links: [{ bridge_name: 'docker0', device_name: '', peer_device_name: '', subnets: [] }],
};

/** A host with docker and a way to all peers that tests have. */
export const exampleHost = (mtu = 1500): FakeHost => {
  const host = new FakeHost();
  host.linuxBridge('docker0', '10.1.0.1/16');
  host.linuxBridge('br-a', '10.2.0.1/16');
  host.linuxBridge('br-b');
  for (let n = 160; n < 170; n += 1) host.route(`192.168.10.${n.toString()}`, 'eth0', mtu);
  host.route('2001:db8::64', 'eth0', mtu);
  return host;
};

/** What an overlay is applied as: names given, nothing retired but what the version before had. */
export const recordOf = (text: OverlayText, host: FakeHost, before?: OverlayRecord): OverlayRecord => {
  const spec: OverlaySpec = nameDevices(parseOverlay(text), before?.spec, host, new Set());
  const retired = [...(before?.retired ?? []), ...(before?.spec.addresses ?? [])].filter(
    (old) => !spec.addresses.some((each) => each.text === old.text),
  );
  return { spec, retired, deleting: false };
};

const peers = fc
  .uniqueArray(fc.integer({ min: 160, max: 165 }), { maxLength: 4 })
  .chain((hosts) =>
    fc.tuple(
      fc.constant(hosts),
      fc.shuffledSubarray(['', '', '', 'vxlan0', 'vxlan1', 't9'], { minLength: hosts.length }),
    ),
  )
  .map(([hosts, names]) =>
    hosts.map((host, at) => ({ device_name: names[at] ?? '', remote_address: `192.168.10.${host.toString()}` })),
  );

const links = fc.shuffledSubarray(['docker0', 'br-a', 'br-b']).chain((bridges) =>
  fc.shuffledSubarray(['', '', '', 'veth_sw0', 'veth_sw1', 'wide'], { minLength: bridges.length }).map((names) =>
    bridges.map((bridge_name, at) => ({
      bridge_name,
      device_name: names[at] ?? '',
      peer_device_name: '',
      subnets: bridge_name === 'br-b' ? ['10.3.0.0/16'] : [],
    })),
  ),
);

/** Any version of one overlay that `exampleHost` can hold. */
export const arbitraryOverlay: fc.Arbitrary<OverlayText> = fc.record({
  name: fc.constant('blue'),
  bridge_name: fc.constantFrom('ovs_sw0', 'ovs_sw0', 'ovs_sw0', 'sw9'),
  addresses: fc.shuffledSubarray(['10.100.0.1/8', '10.100.0.2/8', '10.100.0.3/8', 'fd00::1/64'], {
    minLength: 1,
    maxLength: 3,
  }),
  vni: fc.constantFrom(0, 0, 70),
  udp_port: fc.constantFrom(0, 0, 4789, 8472),
  local_address: fc.constantFrom('', '', '192.168.10.169'),
  peers,
  mtu: fc.constantFrom(0, 0, 1400),
  links,
});
