import { expect, test } from 'vitest';
import { wantedRouter } from './desired.ts';
import { routedSubnet, routerDuty, servedPort, staticRoute } from './testing/duty.ts';

test('a router has a link per interface and one to the outside, which bears floating addresses too', () => {
  const { namespace } = wantedRouter(routerDuty());
  expect(namespace.links.map(({ name, tap, mtu, addresses }) => ({ name, tap, mtu, addresses }))).toEqual([
    { name: 'qg-00000010-00', tap: 'tap00000010-00', mtu: 1_500, addresses: ['172.32.0.101/24', '172.32.0.150/32'] },
    { name: 'qr-00000011-00', tap: 'tap00000011-00', mtu: 1_450, addresses: ['172.16.1.1/24'] },
    { name: 'qr-00000012-00', tap: 'tap00000012-00', mtu: 1_450, addresses: ['172.16.2.1/24'] },
  ]);
  expect(namespace.routes).toEqual([
    { destination: 'default', version: 4, via: '172.32.0.1', device: 'qg-00000010-00' },
  ]);
});

test('a static route leads through the interface that its next hop is beside, and one that nothing is beside nowhere', () => {
  const routes = [
    staticRoute('10.9.0.0/16', '172.16.2.9'),
    staticRoute('192.0.2.7/32', '172.16.1.9'),
    staticRoute('10.8.0.0/16', '10.0.0.1'),
  ];
  expect(wantedRouter(routerDuty({ routes })).namespace.routes).toEqual([
    { destination: '10.9.0.0/16', version: 4, via: '172.16.2.9', device: 'qr-00000012-00' },
    { destination: '192.0.2.7', version: 4, via: '172.16.1.9', device: 'qr-00000011-00' },
    { destination: 'default', version: 4, via: '172.32.0.1', device: 'qg-00000010-00' },
  ]);
});

test('a static default route takes the place of that of the gateway', () => {
  const routes = [staticRoute('0.0.0.0/0', '172.32.0.254')];
  expect(wantedRouter(routerDuty({ routes })).namespace.routes).toEqual([
    { destination: 'default', version: 4, via: '172.32.0.254', device: 'qg-00000010-00' },
  ]);
});

test('advertises IPv6 prefixes as their subnets say', () => {
  const interfaces = [
    servedPort(0x11, 0xe1, ['172.16.1.1/24', '2001:db8:1::1/64', '2001:db8:2::1/64']),
    servedPort(0x12, 0xe2, ['2001:db8:3::1/64']),
  ];
  const subnets = [
    routedSubnet(0xe1, '172.16.1.0/24'),
    routedSubnet(0xe1, '2001:db8:1::/64', 'slaac', ['2001:db8::53', '192.0.2.53']),
    routedSubnet(0xe1, '2001:db8:2::/64', 'dhcpv6-stateless'),
    routedSubnet(0xe2, '2001:db8:3::/64'),
  ];
  expect(wantedRouter(routerDuty({ interfaces, subnets })).radvd)
    .toBe(`# Written by weft for router 000000a0-0000-4000-8000-0000000000a0; changes are overwritten.
interface qr-00000011-00 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  AdvDefaultLifetime 300;
  AdvLinkMTU 1450;
  AdvManagedFlag off;
  AdvOtherConfigFlag on;
  prefix 2001:db8:1::/64 {
    AdvOnLink on;
    AdvAutonomous on;
  };
  prefix 2001:db8:2::/64 {
    AdvOnLink on;
    AdvAutonomous on;
  };
  RDNSS 2001:db8::53 {};
};
interface qr-00000012-00 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  AdvDefaultLifetime 300;
  AdvLinkMTU 1450;
  AdvManagedFlag on;
  AdvOtherConfigFlag on;
  prefix 2001:db8:3::/64 {
    AdvOnLink on;
    AdvAutonomous off;
  };
};
`);
  expect(wantedRouter(routerDuty()).radvd).toBeUndefined();
});
