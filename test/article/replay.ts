import { ThingKind, type Thing, type ThingChange } from '#proto/weft/agent/v1/explain.ts';
import type { Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import type { DemoVoice } from '../demo/voice.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { lookAt } from './host-look.ts';

/** Ids of the article; names on hosts follow from them. */
const PROVIDER = 'c1997735-771e-463c-b64f-7724800bbb1a';
const SELFSERVICE = '34078f0c-3e23-46d5-a03c-4c9af2778899';
const ROUTER = '594a2a7a-c79b-42f2-9011-8373f3186cb8';
const VM = '66aa1ee8-9b3c-4d0e-9a6e-0d6a5bd4f2c1';
const VM_MAC = 'fa:16:3e:3f:4b:28';

const CONTROLLER = 'controller';
const COMPUTE = 'compute';
/** The hosts of the article, and their addresses on its management network, which bears the tunnels too. */
const ARTICLE_HOSTS = { [CONTROLLER]: '192.168.56.101', [COMPUTE]: '192.168.56.102' } as const;
/** What stands for the internet, beyond the gateway of the provider network. */
const INTERNET = '198.51.100.1';

/** What each host has after a step, as `lookAt` tells it. */
type Hosts = Readonly<Record<keyof typeof ARTICLE_HOSTS, readonly string[]>>;

/** Something that an operator does, what hosts have then, and how it is taken back. */
interface Step {
  readonly title: string;
  readonly commands: readonly (readonly string[])[];
  readonly expected: () => Promise<Hosts>;
  readonly undo: readonly (readonly string[])[];
}

/** The first 11 characters of an id, as names on hosts have them. */
const short = (id: string): string => id.slice(0, 11);

/** A controller and a compute host as the article has them; gone with its scope. */
export const articleLab = async (name: string): Promise<LabWeft> =>
  await LabWeft.up({
    ...{ name, hosts: [CONTROLLER, COMPUTE], roles: ['network', 'compute'] },
    firstAddress: ARTICLE_HOSTS[CONTROLLER],
    physicalNetwork: 'provider',
    providerGateway: ['172.32.0.1/24'],
  });

/** The article's way from nothing to a guest that reaches the internet, and back; each step is held against what it shows. */
export class ArticleReplay {
  readonly #lab: LabWeft;
  readonly #voice: DemoVoice;
  /** When what was last told of had happened. */
  #toldUntil = 0;

  constructor(lab: LabWeft, voice: DemoVoice) {
    this.#lab = lab;
    this.#voice = voice;
  }

  async forward(): Promise<void> {
    for (const step of this.#steps()) {
      this.#voice.heading(step.title);
      await this.#run(step.commands);
      await this.#verify(step.expected);
      await this.#tell();
    }
    await this.#traffic();
  }

  /** Takes every step back, the last one first; hosts then have what they had before it, and nothing in the end. */
  async backward(): Promise<void> {
    const steps = this.#steps();
    for (const [index, step] of [...steps.entries()].reverse()) {
      this.#voice.heading(`back: ${step.title}`);
      await this.#run(step.undo);
      await this.#verify(steps[index - 1]?.expected ?? (async () => Promise.resolve(NOTHING)));
    }
  }

  #steps(): readonly Step[] {
    return [
      {
        title: 'Create the provider network',
        commands: [
          [
            'network',
            'create',
            'provider',
            '--id',
            PROVIDER,
            '--shared',
            '--type',
            'flat',
            '--physical-network',
            'provider',
          ],
          [
            ...['subnet', 'create', 'provider', '172.32.0.0/24', '--name', 'provider'],
            ...['--pool', '172.32.0.100-172.32.0.200', '--dns', '8.8.8.8', '--gateway', '172.32.0.1'],
          ],
        ],
        expected: async () => ({ controller: await this.#providerNetwork(), compute: [] }),
        undo: [
          ['subnet', 'delete', 'provider'],
          ['network', 'delete', 'provider'],
        ],
      },
      {
        title: 'Create the self-service network',
        commands: [
          ['network', 'create', 'selfservice', '--id', SELFSERVICE, '--vni', '70'],
          [
            'subnet',
            'create',
            'selfservice',
            '172.16.1.0/24',
            '--name',
            'selfservice',
            '--dns',
            '8.8.4.4',
            '--gateway',
            '172.16.1.1',
          ],
        ],
        expected: async () => ({
          controller: [...(await this.#providerNetwork()), ...(await this.#selfserviceNetwork())],
          compute: [],
        }),
        undo: [
          ['subnet', 'delete', 'selfservice'],
          ['network', 'delete', 'selfservice'],
        ],
      },
      {
        title: 'Create a router, and give it the self-service network',
        commands: [
          ['network', 'update', 'provider', '--external'],
          ['router', 'create', 'router', '--id', ROUTER],
          ['router', 'interface', 'add', 'router', 'selfservice'],
        ],
        expected: async () => ({
          controller: [
            ...(await this.#providerNetwork()),
            ...(await this.#selfserviceNetwork()),
            ...(await this.#inside()),
          ],
          compute: [],
        }),
        undo: [
          ['router', 'interface', 'remove', 'router', 'selfservice'],
          ['router', 'delete', 'router'],
          ['network', 'update', 'provider', '--no-external'],
        ],
      },
      {
        title: "Set the router's gateway on the provider network",
        commands: [['router', 'gateway', 'set', 'router', 'provider']],
        expected: async () => ({ controller: await this.#routed(), compute: [] }),
        undo: [['router', 'gateway', 'clear', 'router']],
      },
      {
        title: 'Boot an instance on the compute host',
        commands: [
          ['port', 'create', 'selfservice', '--name', 'vm', '--id', VM, '--mac', VM_MAC],
          ['lab', 'vm', 'boot', 'vm', COMPUTE, '--port', 'vm', '--dhcp'],
        ],
        expected: async () => ({
          controller: [
            ...(await this.#routed()),
            `vxlan-70: all to ${ARTICLE_HOSTS[COMPUTE]}`,
            `vxlan-70: ${VM_MAC} to ${ARTICLE_HOSTS[COMPUTE]}`,
            `vxlan-70: 172.16.1.3 is ${VM_MAC}`,
          ],
          compute: await this.#instance(),
        }),
        undo: [
          ['lab', 'vm', 'kill', 'vm'],
          ['port', 'delete', 'vm'],
        ],
      },
    ];
  }

  // What the article shows of each, with the ids that ports have here.

  async #providerNetwork(): Promise<readonly string[]> {
    const [dhcp, gateway] = [
      await this.#port(PROVIDER, 'network:dhcp'),
      await this.#port(PROVIDER, 'network:router_gateway'),
    ];
    const taps = [dhcp, gateway].flatMap((port) => (port === undefined ? [] : [`tap${short(port.id)}`]));
    const [space, device] = [`qdhcp-${PROVIDER}`, `ns-${short(dhcp?.id ?? '')}`];
    return [
      `bridge brq${short(PROVIDER)}: ${['eth1', ...taps].sort().join(' ')}`,
      `${space}: ${device} 169.254.169.254/16 172.32.0.100/24 mtu 1500`,
      `${space}: default via 172.32.0.1 dev ${device}`,
    ];
  }

  async #selfserviceNetwork(): Promise<readonly string[]> {
    const dhcp = await this.#port(SELFSERVICE, 'network:dhcp');
    const router = await this.#port(SELFSERVICE, 'network:router_interface');
    const taps = [dhcp, router].flatMap((port) => (port === undefined ? [] : [`tap${short(port.id)}`]));
    const [space, device] = [`qdhcp-${SELFSERVICE}`, `ns-${short(dhcp?.id ?? '')}`];
    return [
      `bridge brq${short(SELFSERVICE)}: ${[...taps, 'vxlan-70'].sort().join(' ')}`,
      'vxlan-70: mtu 1450',
      `${space}: ${device} 169.254.169.254/16 172.16.1.2/24 mtu 1450`,
      `${space}: default via 172.16.1.1 dev ${device}`,
    ];
  }

  async #inside(): Promise<readonly string[]> {
    const router = await this.#port(SELFSERVICE, 'network:router_interface');
    return [`qrouter-${ROUTER}: qr-${short(router?.id ?? '')} 172.16.1.1/24 mtu 1450`];
  }

  async #routed(): Promise<readonly string[]> {
    const gateway = await this.#port(PROVIDER, 'network:router_gateway');
    const device = `qg-${short(gateway?.id ?? '')}`;
    return [
      ...(await this.#providerNetwork()),
      ...(await this.#selfserviceNetwork()),
      ...(await this.#inside()),
      `qrouter-${ROUTER}: ${device} 172.32.0.101/24 mtu 1500`,
      `qrouter-${ROUTER}: default via 172.32.0.1 dev ${device}`,
    ];
  }

  async #instance(): Promise<readonly string[]> {
    const router = await this.#port(SELFSERVICE, 'network:router_interface');
    const dhcp = await this.#port(SELFSERVICE, 'network:dhcp');
    const vtep = ARTICLE_HOSTS[CONTROLLER];
    const rowsOf = (port: Port | undefined, ip: string): readonly string[] => [
      `vxlan-70: ${port?.mac_address ?? ''} to ${vtep}`,
      `vxlan-70: ${ip} is ${port?.mac_address ?? ''}`,
    ];
    return [
      `bridge brq${short(SELFSERVICE)}: tap${short(VM)} vxlan-70`,
      'vxlan-70: mtu 1450',
      `vxlan-70: all to ${vtep}`,
      ...rowsOf(router, '172.16.1.1'),
      ...rowsOf(dhcp, '172.16.1.2'),
    ];
  }

  /** The network's only port of such an owner; undefined where it has none. */
  async #port(networkId: string, owner: string): Promise<Port | undefined> {
    const topology = await this.#lab.connections.topology();
    const { ports } = await topology.listPorts({
      page_size: 1000,
      page_token: '',
      network_id: networkId,
      binding_host_id: '',
      name: '',
    });
    return ports.find(({ device_owner }) => device_owner === owner);
  }

  async #run(commands: readonly (readonly string[])[]): Promise<void> {
    for (const argv of commands) await this.#voice.command(...argv);
  }

  /** Which ports there are is asked again each time: some come by themselves, a moment after the command. */
  async #verify(expected: () => Promise<Hosts>): Promise<void> {
    for (const host of [CONTROLLER, COMPUTE] as const) {
      let wanted: readonly string[] = [];
      let seen: readonly string[] = [];
      const isSo = async (): Promise<boolean> => {
        wanted = [...(await expected())[host]].sort();
        seen = await lookAt(this.#lab.name, host).catch((thrown: unknown) => [toError(thrown).message]);
        return JSON.stringify(seen) === JSON.stringify(wanted);
      };
      await eventually(`${host} is as the article shows it`, isSo, 20_000).catch((thrown: unknown) => {
        const missing = wanted.filter((line) => !seen.includes(line)).map((line) => `missing: ${line}`);
        const beyond = seen.filter((line) => !wanted.includes(line)).map((line) => `beyond:  ${line}`);
        throw new Error([toError(thrown).message, ...missing, ...beyond].join('\n'));
      });
      this.#voice.verify(true, `${host} is as the article shows it: ${wanted.length.toString()} entries`);
    }
  }

  /** What changed on which host since the last time, grouped by cause, and where each device and namespace came from. */
  async #tell(): Promise<void> {
    // What was done is told a moment after it was.
    await sleep(500, AbortSignal.timeout(5_000));
    const { say } = this.#voice;
    let latest = this.#toldUntil;
    for (const host of this.#lab.hosts) {
      const changed = await this.#changed(host);
      if (changed.length === 0) continue;
      say(`  ${host}`);
      let cause = '';
      for (const change of changesOf(changed, this.#toldUntil)) {
        const why = [change.cause, change.caller].filter((word) => word !== '').join(', ');
        if (why !== cause) say(`    # ${why}`);
        cause = why;
        for (const line of linesOf(change.command)) say(`    ${line}`);
        latest = Math.max(latest, timeOf(change));
      }
      for (const thing of changed.filter(({ kind, present }) => SHOWN.has(kind) && present === true)) {
        say(`    ${thing.name}: ${thing.description}`);
      }
    }
    this.#toldUntil = latest;
  }

  /** What was changed on a host since the last time, each with all its changes. */
  async #changed(host: string): Promise<readonly Thing[]> {
    const explain = await this.#lab.connections.explain(host);
    const { things } = await explain.listThings({ object_kind: '', object_id: '' });
    const since = this.#toldUntil;
    const changed = things.filter(({ changes }) => changes.some((change) => timeOf(change) > since));
    const whole = changed.map(async ({ kind, name, namespace }) => {
      const found = await explain.explainThing({ kind, name });
      return found.things.filter((thing) => thing.namespace === namespace);
    });
    return (await Promise.all(whole)).flat();
  }

  async #traffic(): Promise<void> {
    const { say, verify, heading } = this.#voice;
    heading('The instance has its address by DHCP, and reaches its gateway and the internet');
    const vm = { lab: this.#lab.name, vm: 'vm' };
    await eventually(
      'the guest has its address',
      async () => (await tryInPlace(vm, ['ip', '-4', '-br', 'addr'])).stdout.includes('172.16.1.3/24'),
      20_000,
    );
    for (const argv of [
      ['ip', '-4', '-br', 'addr', 'show', 'eth0'],
      ['ip', 'route'],
      ['ping', '-c', '2', '-i', '0.2', '-W', '2', '172.16.1.1'],
      ['ping', '-c', '2', '-i', '0.2', '-W', '2', INTERNET],
    ]) {
      say(`    vm$ ${argv.join(' ')}`);
      for (const line of (await inPlace(vm, argv)).trimEnd().split('\n')) say(`      ${line}`);
    }
    verify(true, 'the guest pings its gateway, and the internet through NAT');
  }
}

/** In the order in which they were made; one change may have been of several things. */
const changesOf = (things: readonly Thing[], since: number): readonly ThingChange[] => {
  const changes = things.flatMap((thing) => thing.changes).filter((change) => timeOf(change) > since);
  const unique = new Map(
    changes.map((change) => [`${change.trace_id} ${change.command} ${change.time ?? ''}`, change]),
  );
  return [...unique.values()].sort((a, b) => timeOf(a) - timeOf(b));
};

const SHOWN: ReadonlySet<ThingKind> = new Set([
  ThingKind.THING_KIND_DEVICE,
  ThingKind.THING_KIND_NAMESPACE,
  ThingKind.THING_KIND_PROCESS,
]);

/** nft takes many statements at once; one on a line is what people read. */
const linesOf = (command: string): readonly string[] =>
  command.startsWith("nft '") ? command.split('; ').map((part, at) => (at === 0 ? part : `     ${part}`)) : [command];

const NOTHING: Hosts = { controller: [], compute: [] };

const timeOf = ({ time }: ThingChange): number => Date.parse(time ?? '') || 0;
