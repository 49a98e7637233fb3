import { expect, test } from 'vitest';
import { parseCidr } from './cidr.ts';
import { linkLocalOf, slaacAddress } from './eui64.ts';
import { parseMac } from './mac-address.ts';

// The example of RFC 4291, appendix A, and a locally administered address.
test.each([
  ['34:56:78:9a:bc:de', 'fe80::3656:78ff:fe9a:bcde', '2001:db8:0:1:3656:78ff:fe9a:bcde'],
  ['fa:16:3e:00:00:01', 'fe80::f816:3eff:fe00:1', '2001:db8:0:1:f816:3eff:fe00:1'],
])('%s is the station %s', (text, linkLocal, global) => {
  const mac = parseMac('mac', text);
  expect(linkLocalOf(mac)).toBe(linkLocal);
  expect(slaacAddress(parseCidr('cidr', '2001:db8:0:1::/64'), mac)).toBe(global);
});
