import { DomainError } from '#platform/errors/domain-error.ts';
import type { Operation } from '../model/operation.ts';
import type { MachineCard, NetworkDefinition, ObservedNetwork } from './observed.ts';
import type { LibvirtWish } from './spec.ts';

export interface LibvirtPlanInput {
  readonly wish: LibvirtWish;
  readonly observed: ObservedNetwork | undefined;
  /** Cards of running machines in this network. */
  readonly cards: readonly MachineCard[];
  /** Whether it was applied here before, and so is ours to change. */
  readonly isOurs: boolean;
  readonly force: boolean;
  /** The file with its definition. */
  readonly file: string;
}

/**
 * What makes libvirt have a network; nothing where it has it. In place: what it has keeps its UUID, and what is in force is
 * only stopped where it differs. Throws `precondition` for what only force does.
 */
export const planLibvirtNetwork = (input: LibvirtPlanInput): readonly Operation[] => {
  const { wish, observed, cards, isOurs, force, file } = input;
  const step = stepsOf(wish.name);
  const isDefined = observed?.defined !== undefined && isSame(observed.defined, wish);
  const isActive = observed?.active !== undefined;
  const isInForce = isActive && isSame(observed.active, wish);
  if (observed !== undefined && !isOurs && (!isDefined || (isActive && !isInForce)) && !force) {
    throw new DomainError(
      'precondition',
      'LIBVIRT_NETWORK_FOREIGN',
      `libvirt has a network ${wish.name} that was not made by weft and is another: ${difference(observed, wish)}; ` +
        `choose another name, or apply it with force`,
      { details: { network: wish.name } },
    );
  }
  const operations: Operation[] = [];
  if (!isDefined) {
    const why = observed?.defined === undefined ? 'libvirt has no such network' : difference(observed, wish);
    operations.push(step('net-define', [file], why));
  }
  if (isActive && !isInForce) {
    if (cards.length > 0 && !force) throw inUse(wish.name, cards, 'to change it is to stop it and to plug them again');
    operations.push(step('net-destroy', [wish.name], `what is in force is another: ${difference(observed, wish)}`));
  }
  if (!isInForce) operations.push(step('net-start', [wish.name], 'machines can be started in it when it is active'));
  if (observed?.autostart !== wish.autostart && (wish.autostart || observed !== undefined)) {
    const [words, why] = wish.autostart
      ? [[wish.name], 'it shall be there when libvirt starts']
      : [[wish.name, '--disable'], 'it shall not start with libvirt'];
    operations.push(step('net-autostart', words, why));
  }
  if (!isInForce) {
    for (const card of cards) if (card.bridge !== wish.bridge) operations.push(plugAgain(wish, card));
  }
  return operations;
};

/** What takes a network away. Throws `precondition` while machines use it, unless forced. */
export const planLibvirtRemoval = (
  observed: ObservedNetwork | undefined,
  cards: readonly MachineCard[],
  force: boolean,
): readonly Operation[] => {
  if (observed === undefined) return [];
  const { name } = observed;
  if (cards.length > 0 && !force) throw inUse(name, cards, 'stop them first');
  const step = stepsOf(name);
  return [
    ...(observed.active === undefined ? [] : [step('net-destroy', [name], 'it is not wanted any more')]),
    ...(observed.defined === undefined ? [] : [step('net-undefine', [name], 'it is not wanted any more')]),
  ];
};

const stepsOf =
  (name: string) =>
  (kind: string, words: readonly string[], reason: string): Operation => ({
    ...{ kind, reason, key: `libvirt ${name}`, needs: [`libvirt ${name}`] },
    argv: ['virsh', kind, ...words],
  });

const isSame = (has: NetworkDefinition, wish: LibvirtWish): boolean =>
  wordsOf(has).join() === wordsOf(wished(wish)).join();

const wished = ({ bridge, openvswitch, uuid }: LibvirtWish): NetworkDefinition => ({
  ...{ uuid, bridge, forward: 'bridge' },
  virtualPort: openvswitch ? 'openvswitch' : undefined,
});

const wordsOf = ({ forward, bridge, virtualPort }: NetworkDefinition): readonly string[] => [
  `forward mode ${forward}`,
  `bridge ${bridge}`,
  virtualPort === undefined ? 'no virtualport' : `virtualport ${virtualPort}`,
];

const difference = ({ defined, active }: ObservedNetwork, wish: LibvirtWish): string => {
  const wanted = wordsOf(wished(wish));
  const wrong = [defined, active].find((each) => each !== undefined && !isSame(each, wish));
  if (wrong === undefined) return 'it is not defined for good';
  return wordsOf(wrong)
    .flatMap((has, at) => (has === wanted[at] ? [] : [`${has} instead of ${wanted[at] ?? ''}`]))
    .join(', ');
};

const inUse = (name: string, cards: readonly MachineCard[], why: string): DomainError => {
  const machines = [...new Set(cards.map(({ domain }) => domain))].sort();
  return new DomainError(
    'precondition',
    'LIBVIRT_NETWORK_IN_USE',
    `running machines have cards in libvirt network ${name}: ${machines.join(', ')}; ${why}, or use force`,
    { details: { network: name, domains: machines.join(' ') } },
  );
};

/** libvirt plugs a card when a machine starts and never again; it stays in the bridge where it was then. */
const plugAgain = (wish: LibvirtWish, card: MachineCard): Operation => {
  const { device, mac, interfaceId, domain, domainUuid } = card;
  const ids = {
    ...{ 'attached-mac': `"${mac}"`, 'iface-status': 'active', 'vm-id': domainUuid },
    ...(interfaceId !== undefined && { 'iface-id': interfaceId }),
  };
  return {
    kind: 'plug-again',
    key: `card ${device}`,
    needs: [`libvirt ${wish.name}`],
    argv: wish.openvswitch
      ? [
          ...['ovs-vsctl', '--if-exists', 'del-port', device],
          ...['--', 'add-port', wish.bridge, device],
          ...['--', 'set', 'Interface', device],
          ...Object.entries(ids).map(([key, value]) => `external_ids:${key}=${value}`),
        ]
      : ['ip', 'link', 'set', 'dev', device, 'master', wish.bridge],
    reason: `machine ${domain} runs and is plugged into ${card.bridge ?? 'nothing'}`,
  };
};
