import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { arbitraryOverlay, EXAMPLE, exampleHost, recordOf } from '../testing/overlays.ts';
import { overlayText, parseOverlay } from './parse.ts';
import type { OverlayText } from './parse.ts';

const peer = (remote_address: string, device_name = '') => ({ device_name, remote_address });
const link = (bridge_name: string, device_name = '', peer_device_name = '') => ({
  ...{ bridge_name, device_name, peer_device_name },
  subnets: [],
});

describe('an overlay as text', () => {
  test('is read with defaults, and written so that it is read as the same', () => {
    fc.assert(
      fc.property(arbitraryOverlay, (text) => {
        const { spec } = recordOf(text, exampleHost());
        const written = overlayText(spec);
        expect(parseOverlay(written)).toEqual(spec);
        expect(written.udp_port).toBe(text.udp_port === 0 ? 4789 : text.udp_port);
      }),
    );
  });

  test.each<readonly [Partial<OverlayText>, string]>([
    [{ name: '' }, 'overlay.name: "" is not the name of an overlay'],
    [{ name: '../etc' }, 'overlay.name'],
    [{ bridge_name: '' }, 'overlay.bridge_name: "" is not a device name'],
    [{ bridge_name: 'ovs_sw0123456789' }, 'overlay.bridge_name'],
    [{ bridge_name: 'a b' }, 'overlay.bridge_name'],
    [{ bridge_name: '$(id)' }, 'overlay.bridge_name'],
    [{ bridge_name: 'ovs-system' }, 'is a name that is taken on every host'],
    [{ addresses: ['10.100.0.1'] }, 'overlay.addresses[0]: "10.100.0.1" is not an address with its prefix'],
    [{ addresses: ['10.100.0.1/33'] }, 'overlay.addresses[0]'],
    [{ addresses: ['10.0.0.0/8'] }, "is the network's own address"],
    [{ addresses: ['10.255.255.255/8'] }, 'is the broadcast address of its network'],
    [{ addresses: ['10.1.0.1/8', '10.1.0.1/16'] }, 'overlay.addresses[1]: "10.1.0.1" is overlay.addresses[0] as well'],
    [{ vni: 16_777_216 }, 'overlay.vni: 16777216 is not a VNI'],
    [{ udp_port: 65_536 }, 'overlay.udp_port'],
    [{ mtu: 67 }, 'overlay.mtu'],
    [{ mtu: 1_279, addresses: ['fd00::1/64'] }, 'overlay.mtu: 1279 is less than the 1280 that IPv6 needs'],
    [{ peers: [peer('192.168.10.300')] }, 'overlay.peers[0].remote_address'],
    [{ peers: [peer('127.0.0.1')] }, 'overlay.peers[0].remote_address: "127.0.0.1" is the loopback\'s address'],
    [{ peers: [peer('fe80::1')] }, 'is link-local'],
    [{ peers: [peer('192.0.2.1'), peer('192.0.2.1')] }, 'is overlay.peers[0].remote_address as well'],
    [{ peers: [peer('192.0.2.1')], local_address: '192.0.2.1' }, 'is local_address as well'],
    [{ peers: [peer('2001:db8::1')], local_address: '192.0.2.1' }, 'is not of the address family of local_address'],
    [
      { peers: [peer('192.0.2.1', 'ovs_sw0')] },
      'overlay.peers[0].device_name: "ovs_sw0" is overlay.bridge_name as well',
    ],
    [
      { links: [link('docker0'), link('docker0')] },
      'overlay.links[1].bridge_name: "docker0" is overlay.links[0].bridge_name as well',
    ],
    [
      { links: [link('docker0', 'v0', 'v0')] },
      'overlay.links[0].peer_device_name: "v0" is overlay.links[0].device_name as well',
    ],
    [{ links: [{ ...link('docker0'), subnets: ['10.1.0.1/16'] }] }, 'did you mean 10.1.0.0/16?'],
  ])('%j is refused: %s', (wrong, words) => {
    expect(() => parseOverlay({ ...EXAMPLE, ...wrong })).toThrow(words);
  });

  test('throws nothing but DomainError', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('', 'docker0', '10.0.0.1/8', '::1/64', '192.0.2.1'));
    const anything = fc.record({
      ...{ name: word, bridge_name: word, addresses: fc.array(word), local_address: word },
      ...{ vni: fc.integer(), udp_port: fc.integer(), mtu: fc.integer() },
      peers: fc.array(fc.record({ device_name: word, remote_address: word })),
      links: fc.array(
        fc.record({ bridge_name: word, device_name: word, peer_device_name: word, subnets: fc.array(word) }),
      ),
    });
    fc.assert(
      fc.property(anything, (text) => {
        try {
          parseOverlay(text);
        } catch (error) {
          expect(error).toBeInstanceOf(DomainError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
