import fc from 'fast-check';
import { parseOverlayName } from '../../overlay/model/names.ts';
import { parseOverlay } from '../../overlay/model/parse.ts';
import type { OverlayText } from '../../overlay/model/parse.ts';
import { nameDevices } from '../../overlay/plan/naming.ts';
import type { OverlayView } from '../../overlay/overlays.ts';
import { exampleHost } from '../../overlay/testing/overlays.ts';
import { desiredOf, NO_DEVICES } from '../desired.ts';
import type { Desired } from '../desired.ts';
import type { DeviceSetText } from '../model/parse.ts';
import type { PersistenceFormat } from '../writers/writer.ts';

/** An overlay as the agent holds it once it has looked at a host with the kernel's datapath, or another. */
export const overlayView = (text: OverlayText, datapathType = 'system'): OverlayView => ({
  spec: nameDevices(parseOverlay(text), undefined, exampleHost(), new Set()),
  status: { state: 'ready', messages: [], datapathType, lookTime: new Date(0) },
  driftRepaired: 0,
  ...(text.mtu !== 0 && { mtu: text.mtu }),
});

/** What is written for an overlay and more devices, or for these alone. */
export const desired = (
  format: PersistenceFormat,
  { overlay, devices = NO_DEVICES }: { readonly overlay?: OverlayView; readonly devices?: DeviceSetText },
): Desired => {
  const name = overlay?.spec.name ?? parseOverlayName('name', 'green');
  return desiredOf({ name, format, isOverlay: overlay !== undefined, devices, deleting: false }, overlay);
};

const bridge = fc.constantFrom('', '', 'br9', 'docker0', 'ovs_sw0');
const mtu = fc.constantFrom(0, 0, 1280, 1450);

/** Devices that go together with any overlay of `arbitraryOverlay` and with each other. */
export const arbitraryDevices: fc.Arbitrary<DeviceSetText> = fc.record({
  bridges: fc.constantFrom(
    [],
    [{ name: 'br9', addresses: ['10.9.0.1/24'], mtu: 0 }],
    [{ name: 'br9', addresses: ['10.9.0.1/24', 'fd09::1/64', '10.9.1.1/24', 'fd0a::1/64'], mtu: 1400 }],
  ),
  vxlans: fc.array(
    fc.record({
      name: fc.constant('vx.9_a-b'),
      vni: fc.integer({ min: 1, max: 16_777_215 }),
      local_address: fc.constant('192.0.2.1'),
      remote_address: fc.constantFrom('192.0.2.2', '203.0.113.254'),
      udp_port: fc.constantFrom(0, 4789, 8472),
      mtu,
      bridge_name: fc.constantFrom('', 'br9'),
    }),
    { maxLength: 1 },
  ),
  veths: fc.array(
    fc.record({
      ...{ name: fc.constant('v9a'), peer_name: fc.constant('v9b'), mtu },
      ...{ bridge_name: bridge, peer_bridge_name: bridge },
    }),
    { maxLength: 1 },
  ),
  nics: fc.array(
    fc.record({
      ...{ name: fc.constant('eno16777736'), mac_address: fc.constant('00:0c:29:62:f9:d3'), mtu },
      bridge_name: fc.constantFrom('br9', 'ovs_sw0'),
    }),
    { maxLength: 1 },
  ),
});
