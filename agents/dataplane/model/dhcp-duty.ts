import type { Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Ipv6Mode } from './router-duty.ts';
import type { ServedPort } from './served-port.ts';

/** A route that guests are told of. */
export interface GuestRoute {
  readonly destination: Cidr;
  readonly nexthop: IpAddress;
}

/** A subnet whose guests ask for their addresses. */
export interface DhcpSubnet {
  readonly id: Uuid;
  readonly cidr: Cidr;
  readonly gateway?: IpAddress;
  readonly nameServers: readonly IpAddress[];
  readonly hostRoutes: readonly GuestRoute[];
  /** Of IPv6. */
  readonly ipv6Mode: Ipv6Mode;
}

/** A port that is given its addresses. */
export interface DhcpHost {
  readonly portId: Uuid;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly hostname: string;
}

/** DHCP for a network on this host. */
export interface DhcpDuty {
  readonly networkId: Uuid;
  /** The server's own. */
  readonly port: ServedPort;
  /** Of that port's binding: of two words about one network the higher one holds. */
  readonly generation: number;
  readonly subnets: readonly DhcpSubnet[];
  readonly hosts: readonly DhcpHost[];
  /** Empty: none. */
  readonly domain: string;
}
