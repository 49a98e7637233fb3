import { describe, expect, test } from 'vitest';
import { parseCidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { DhcpDuty, DhcpSubnet } from '../../model/dhcp-duty.ts';
import { commandOf } from '../../model/operation.ts';
import { edgeMark } from '../core/names.ts';
import type { ObservedEdgeLink } from '../core/model.ts';
import { versionOf, wantedDhcp } from './desired.ts';
import type { WantedDhcp } from './desired.ts';
import { planDhcp, planDhcpRemoval } from './plan.ts';
import type { ObservedDhcp } from './plan.ts';

const NETWORK = '34078f0c-3e23-46d5-a03c-4c9af2778899' as Uuid;
const ip = (text: string): IpAddress => text as IpAddress;
const mac = (text: string): MacAddress => text as MacAddress;

const subnet = (cidr: string, wish: Partial<DhcpSubnet> = {}): DhcpSubnet => ({
  id: `${cidr.length.toString().padStart(8, '0')}-0000-4000-8000-000000000000` as Uuid,
  cidr: parseCidr('cidr', cidr),
  nameServers: [],
  hostRoutes: [],
  ipv6Mode: 'dhcpv6-stateful',
  ...wish,
});

/** The self-service network of the article. */
const duty = (wish: Partial<DhcpDuty> = {}): DhcpDuty => ({
  networkId: NETWORK,
  generation: 1,
  domain: 'openstacklocal',
  port: {
    portId: 'b5ab7d31-e100-46d5-a03c-4c9af2778899' as Uuid,
    networkId: NETWORK,
    mac: mac('fa:16:3e:76:6d:74'),
    mtu: 1_450,
    addresses: ['172.16.1.2/24'],
    gatewayIps: [ip('172.16.1.1')],
  },
  subnets: [subnet('172.16.1.0/24', { gateway: ip('172.16.1.1'), nameServers: [ip('8.8.4.4')] })],
  hosts: [{ portId: NETWORK, mac: mac('fa:16:3e:3f:4b:28'), ips: [ip('172.16.1.3')], hostname: 'host-172-16-1-3' }],
  ...wish,
});

const FOLDER = `/var/lib/neutron/dhcp/${NETWORK}`;

describe('what dnsmasq is told', () => {
  test('is what the article shows, but for how it binds, and that it is the only server of the network', () => {
    const { daemon } = wantedDhcp(duty(), '/var/lib/neutron');
    expect(daemon.argv.join(' ')).toBe(
      `dnsmasq --no-hosts --no-resolv --strict-order --except-interface=lo --pid-file=${FOLDER}/pid ` +
        `--dhcp-hostsfile=${FOLDER}/host --addn-hosts=${FOLDER}/addn_hosts --dhcp-optsfile=${FOLDER}/opts ` +
        `--dhcp-leasefile=${FOLDER}/leases --dhcp-match=set:ipxe,175 --bind-dynamic --interface=ns-b5ab7d31-e1 ` +
        '--dhcp-range=set:tag0,172.16.1.0,static,86400s --dhcp-option-force=option:mtu,1450 --dhcp-lease-max=256 ' +
        '--conf-file= --domain=openstacklocal --dhcp-authoritative --no-ping',
    );
  });

  test('of ports and subnets stands in files as Neutron writes them', () => {
    expect(wantedDhcp(duty(), '/x').files).toEqual({
      host: 'fa:16:3e:3f:4b:28,host-172-16-1-3.openstacklocal,172.16.1.3\n',
      addn_hosts: '172.16.1.3\thost-172-16-1-3.openstacklocal\thost-172-16-1-3\n',
      opts: [
        'tag:tag0,option:dns-server,8.8.4.4',
        'tag:tag0,option:classless-static-route,169.254.169.254/32,172.16.1.2,0.0.0.0/0,172.16.1.1',
        'tag:tag0,249,169.254.169.254/32,172.16.1.2,0.0.0.0/0,172.16.1.1',
        'tag:tag0,option:router,172.16.1.1\n',
      ].join('\n'),
    });
  });

  test('is the same whatever order ports and subnets come in', () => {
    const subnets = [subnet('172.16.1.0/24'), subnet('10.1.0.0/16'), subnet('2001:db8:1::/64')];
    const hosts = ['1', '2', '3'].map((each) => ({
      portId: `${each}0000000-0000-4000-8000-000000000000` as Uuid,
      mac: mac(`fa:16:3e:00:00:0${each}`),
      ips: [ip(`172.16.1.${each}`)],
      hostname: '',
    }));
    expect(wantedDhcp(duty({ subnets: subnets.toReversed(), hosts: hosts.toReversed() }), '/x')).toEqual(
      wantedDhcp(duty({ subnets, hosts }), '/x'),
    );
  });

  test('names no router where there is none, and itself where there is no name server', () => {
    const { opts } = wantedDhcp(duty({ subnets: [subnet('172.16.1.0/24')] }), '/x').files;
    expect(opts).toContain('tag:tag0,option:dns-server,172.16.1.2\n');
    expect(opts).toMatch(/tag:tag0,option:router\n/);
    expect(opts).not.toContain('0.0.0.0/0');
  });

  test('has the routes of the subnet, and the other subnets of the network on the link', () => {
    const route = { destination: parseCidr('r', '10.9.0.0/16'), nexthop: ip('172.16.1.9') };
    const subnets = [subnet('172.16.1.0/24', { hostRoutes: [route] }), subnet('10.1.0.0/16')];
    const { opts } = wantedDhcp(duty({ subnets }), '/x').files;
    expect(opts).toContain('249,10.9.0.0/16,172.16.1.9,10.1.0.0/16,0.0.0.0,169.254.169.254/32,172.16.1.2\n');
  });

  test.each([
    ['dhcpv6-stateful', 'static', true],
    ['dhcpv6-stateless', 'ra-stateless', false],
    ['slaac', 'ra-only', false],
  ] as const)('of IPv6 with %s', (ipv6Mode, word, isLeased) => {
    const wanted = wantedDhcp(
      duty({
        port: { ...duty().port, addresses: ['2001:db8:1::2/64'], gatewayIps: [] },
        subnets: [subnet('2001:db8:1::/64', { ipv6Mode })],
        hosts: [{ portId: NETWORK, mac: mac('fa:16:3e:3f:4b:28'), ips: [ip('2001:db8:1::3')], hostname: 'a' }],
      }),
      '/x',
    );
    expect(wanted.daemon.argv).toContain(`--dhcp-range=set:tag0,2001:db8:1::,${word},64,86400s`);
    // Lifetime 0: nobody's router.
    expect(wanted.daemon.argv).toContain('--ra-param=ns-b5ab7d31-e1,mtu:1450,600,0');
    expect(wanted.files.host).toBe(isLeased ? 'fa:16:3e:3f:4b:28,a.openstacklocal,[2001:db8:1::3]\n' : '');
    expect(wanted.files.opts).toContain('tag:tag0,option6:dns-server,[2001:db8:1::2]\n');
    expect(wanted.namespace.links[0]?.addresses).toEqual(['2001:db8:1::2/64']);
    expect(wanted.namespace.neighbours).toMatchObject([{ ip: 'fe80::f816:3eff:fe3f:4b28', mac: 'fa:16:3e:3f:4b:28' }]);
  });
});

const asWanted = ({ namespace, files, daemon }: WantedDhcp, leases = ''): ObservedDhcp => {
  const alias = edgeMark('dhcp', namespace.id);
  const links = new Map<string, ObservedEdgeLink>();
  const taps = new Map<string, ObservedEdgeLink>();
  links.set('lo', { name: 'lo', index: 1, alias, mac: '', mtu: 65_536, up: true, addresses: [] });
  for (const { name, tap, mac: address, mtu, addresses } of namespace.links) {
    const both = { kind: 'veth', mtu, up: true, mac: address };
    links.set(name, { ...both, name, index: 2, peerIndex: 7, alias, addresses });
    taps.set(tap, { ...both, name: tap, index: 7, peerIndex: 2, addresses: [] });
  }
  const sysctls = new Map(namespace.sysctls.map((each) => each.split('=', 2) as [string, string]));
  const { routes, neighbours = [] } = namespace;
  return {
    edge: { namespace: { links, routes, neighbours, sysctls }, taps },
    daemon: { argv: daemon.argv, isInNamespace: true },
    files: { ...files, leases, loaded: versionOf(files) },
    stubborn: new Set(),
    asked: new Set(),
  };
};

const kinds = (wanted: WantedDhcp, observed: ObservedDhcp): readonly string[] =>
  planDhcp(wanted, observed).map(({ kind }) => kind);

describe('DHCP of a network', () => {
  const wanted = wantedDhcp(duty(), '/x');
  const more = wantedDhcp(duty({ hosts: [] }), '/x');
  const lease = '1795419688 fa:16:3e:3f:4b:28 172.16.1.3 host-172-16-1-3 01:fa:16:3e:3f:4b:28';

  test('that is right needs nothing', () => {
    expect(kinds(wanted, asWanted(wanted, `${lease}\n`))).toEqual([]);
  });

  test('is told of other ports without a restart, also when the agent died after it wrote the files', () => {
    expect(kinds(more, asWanted(wanted))).toEqual(['write-file', 'write-file', 'reload-daemon', 'write-file']);
    expect(kinds(wanted, { ...asWanted(wanted), files: { ...asWanted(wanted).files, loaded: 'older\n' } })).toEqual([
      'reload-daemon',
      'write-file',
    ]);
  });

  test('has its device finish checksums', () => {
    expect(planDhcp(wanted, { ...asWanted(wanted), leavesChecksums: true }).map(commandOf)).toEqual([
      `ip netns exec qdhcp-${NETWORK} ethtool -K ns-b5ab7d31-e1 tx off`,
    ]);
  });

  test('is started again with other arguments, when it does not run, and out of a namespace without a name', () => {
    const jumbo = wantedDhcp(duty({ domain: 'example.net' }), '/x');
    const running = asWanted(wanted).daemon;
    expect(kinds(jumbo, { ...asWanted(jumbo), daemon: running })).toEqual(['end-daemon', 'start-daemon', 'write-file']);
    expect(kinds(wanted, { ...asWanted(wanted), daemon: undefined })).toEqual(['start-daemon', 'write-file']);
    expect(kinds(wanted, { ...asWanted(wanted), daemon: { argv: wanted.daemon.argv, isInNamespace: false } })).toEqual([
      'end-daemon',
      'start-daemon',
      'write-file',
    ]);
  });

  test('gives a lease back whose port is gone or has another address, once, and else without it from the start', () => {
    const seen = asWanted(more, `${lease}\n`);
    expect(planDhcp(more, seen).map(commandOf)).toEqual([
      `ip netns exec qdhcp-${NETWORK} dhcp_release ns-b5ab7d31-e1 172.16.1.3 fa:16:3e:3f:4b:28`,
    ]);
    expect(kinds(more, { ...seen, asked: new Set([lease]) })).toEqual([]);
    const steps = planDhcp(more, { ...seen, asked: new Set([lease]), stubborn: new Set([lease]) });
    expect(steps.map(({ kind }) => kind)).toEqual(['end-daemon', 'write-file', 'start-daemon', 'write-file']);
    expect(steps[1]?.act).toMatchObject({ path: `${more.folder}/leases`, text: '' });
  });

  test('gives leases of IPv6 back, by what the client called itself', () => {
    const line = '1795419925 1 2001:db8:6::4 g7 00:03:00:01:fa:16:3e:4b:af:c3';
    const server = 'duid 00:01:00:01:32:95:59:c4:fa:16:3e:aa:16:0f';
    expect(planDhcp(more, asWanted(more, `${server}\n${line}\n`)).map(commandOf)).toEqual([
      `ip netns exec qdhcp-${NETWORK} dhcp_release6 --iface ns-b5ab7d31-e1 --ip 2001:db8:6::4 ` +
        `--client-id 00:03:00:01:fa:16:3e:4b:af:c3 --server-id ${server.slice(5)} --iaid 1`,
    ]);
  });

  test('goes: server, namespace, files; nothing of it is left to do then', () => {
    const { edge, daemon } = asWanted(wanted);
    const steps = planDhcpRemoval(NETWORK, { edge, daemon, hasFiles: true }, '/x');
    expect(steps.map(commandOf)).toEqual([
      `pkill --pidfile /x/dhcp/${NETWORK}/pid`,
      `ip -n qdhcp-${NETWORK} link del dev ns-b5ab7d31-e1`,
      `ip netns del qdhcp-${NETWORK}`,
      `rm -r /x/dhcp/${NETWORK}`,
    ]);
    const gone = { edge: { namespace: undefined, taps: new Map() }, daemon: undefined, hasFiles: false };
    expect(planDhcpRemoval(NETWORK, gone, '/x')).toEqual([]);
  });
});
