import type { Ipv6Mode, RouterDuty } from '../../model/router-duty.ts';
import { insideName } from '../core/names.ts';

/**
 * RFC 4861 §6.2.1, in seconds. Often enough that guests hear soon of an interface whose first words were lost while it was
 * being plugged; and believed long enough that a radvd that is away for a while does no harm.
 */
const TIMES = { min: 3, max: 10, life: 300 };

/** RFC 4861 §4.2, RFC 4862 §5.5.3: which flags tell guests how to get their addresses. */
const FLAGS: Readonly<
  Record<Ipv6Mode, { readonly managed: boolean; readonly other: boolean; readonly auto: boolean }>
> = {
  'dhcpv6-stateful': { managed: true, other: true, auto: false },
  'dhcpv6-stateless': { managed: false, other: true, auto: true },
  slaac: { managed: false, other: false, auto: true },
};

const onOff = (value: boolean): string => (value ? 'on' : 'off');

/** radvd.conf(5) of a router; undefined where no interface has an IPv6 address. */
export const radvdConfig = ({ routerId, interfaces, subnets }: RouterDuty): string | undefined => {
  const blocks = interfaces.flatMap(({ portId, networkId, mtu, addresses }) => {
    const here = subnets.filter((subnet) => subnet.networkId === networkId && subnet.cidr.version === 6);
    if (here.length === 0 || !addresses.some((address) => address.includes(':'))) return [];
    const flags = here.map(({ ipv6Mode }) => FLAGS[ipv6Mode]);
    const servers = here.flatMap(({ ipv6Mode, dnsNameservers }) =>
      ipv6Mode === 'slaac' ? dnsNameservers.filter((server) => server.includes(':')) : [],
    );
    return [
      `interface ${insideName('qr-', portId)} {`,
      '  AdvSendAdvert on;',
      `  MinRtrAdvInterval ${TIMES.min.toString()};`,
      `  MaxRtrAdvInterval ${TIMES.max.toString()};`,
      `  AdvDefaultLifetime ${TIMES.life.toString()};`,
      `  AdvLinkMTU ${mtu.toString()};`,
      `  AdvManagedFlag ${onOff(flags.some(({ managed }) => managed))};`,
      `  AdvOtherConfigFlag ${onOff(flags.some(({ other }) => other))};`,
      ...here.flatMap(({ cidr, ipv6Mode }) => [
        `  prefix ${cidr.text} {`,
        '    AdvOnLink on;',
        `    AdvAutonomous ${onOff(FLAGS[ipv6Mode].auto)};`,
        '  };',
      ]),
      ...(servers.length === 0 ? [] : [`  RDNSS ${[...new Set(servers)].join(' ')} {};`]),
      '};',
    ];
  });
  if (blocks.length === 0) return undefined;
  return `${[`# Written by weft for router ${routerId}; changes are overwritten.`, ...blocks].join('\n')}\n`;
};
