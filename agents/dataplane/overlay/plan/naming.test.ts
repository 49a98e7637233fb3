import { describe, expect, test } from 'vitest';
import { parseOverlay } from '../model/parse.ts';
import { EXAMPLE, exampleHost, recordOf } from '../testing/overlays.ts';
import { nameDevices } from './naming.ts';
import { planOverlay } from './plan.ts';

const peersTo = (...hosts: readonly number[]) => ({
  ...EXAMPLE,
  peers: hosts.map((host) => ({ device_name: '', remote_address: `192.168.10.${host.toString()}` })),
});

describe('names that are left to the agent', () => {
  test('are those of the example, and skip what others have', () => {
    const host = exampleHost();
    const { spec } = recordOf(peersTo(164, 165), host);
    expect(spec.peers.map(({ device }) => device)).toEqual(['vxlan0', 'vxlan1']);
    expect(spec.links[0]).toMatchObject({ device: 'veth_sw0', peerDevice: 'veth_d0' });
    host.veth('veth_d0', 'else');
    host.ovsBridge('br-int');
    host.ovsPort('br-int', 'vxlan0', 'vxlan', { remote_ip: 'flow' });
    const other = nameDevices(parseOverlay(peersTo(164, 165)), undefined, host, new Set(['vxlan2']));
    expect(other.peers.map(({ device }) => device)).toEqual(['vxlan1', 'vxlan3']);
    expect(other.links[0]).toMatchObject({ device: 'veth_sw1', peerDevice: 'veth_d1' });
  });

  test('stay with their peer when others come and go', () => {
    const host = exampleHost();
    const first = recordOf(peersTo(164, 165, 166), host);
    const second = recordOf(peersTo(167, 166, 165), host, first);
    expect(second.spec.peers.map(({ device, remote }) => `${device} ${remote}`)).toEqual([
      'vxlan0 192.168.10.167',
      'vxlan2 192.168.10.166',
      'vxlan1 192.168.10.165',
    ]);
  });

  test('are found again by the marks on the host when nothing else is left', () => {
    const host = exampleHost();
    const text = { ...peersTo(165), peers: [{ device_name: 'vxlan7', remote_address: '192.168.10.165' }] };
    host.apply(planOverlay(recordOf(text, host), host, 'auto').steps);
    expect(recordOf(peersTo(164, 165), host).spec.peers.map(({ device }) => device)).toEqual(['vxlan0', 'vxlan7']);
  });

  test('yield to a name that is given', () => {
    const host = exampleHost();
    const first = recordOf(peersTo(164), host);
    const taken = {
      ...peersTo(164),
      peers: [
        { device_name: '', remote_address: '192.168.10.164' },
        { device_name: 'vxlan0', remote_address: '192.168.10.165' },
      ],
    };
    expect(recordOf(taken, host, first).spec.peers.map(({ device }) => device)).toEqual(['vxlan1', 'vxlan0']);
  });
});
