import { hostCidr, parseCidr } from '#platform/net/cidr.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { PortSecurity } from '../model/port-security.ts';

/** What messages say of what a port may send, as its record and as a duty. */
interface PortSecurityMessage {
  readonly enabled: boolean;
  readonly mac_address: string;
  readonly allowed_address_pairs: readonly { readonly mac_address: string; readonly ip_address: string }[];
  readonly revision_number: string;
}

/** What a port may send, of a message. Throws `invalid` for addresses that are none. */
export const portSecurity = (message: PortSecurityMessage): PortSecurity => ({
  enabled: message.enabled,
  pairs: message.allowed_address_pairs.map(({ mac_address, ip_address: text }) => ({
    mac: parseMac('allowed_address_pairs.mac_address', mac_address === '' ? message.mac_address : mac_address),
    cidr: text.includes('/')
      ? parseCidr('allowed_address_pairs.ip_address', text)
      : hostCidr(parseIp('allowed_address_pairs.ip_address', text)),
  })),
  revision: BigInt(message.revision_number),
});
