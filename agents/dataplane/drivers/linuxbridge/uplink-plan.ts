import type { InterfaceRoute, HostInterface } from '../../model/interface.ts';
import type { HostIdentity, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { devicesOf } from './devices.ts';
import { linkOperations } from './link-operations.ts';
import { networkMark } from './mark.ts';
import type { ObservedLink, ObservedUplink } from './observed.ts';
import { linkKey } from './operations.ts';

/** Steps that take the host's addresses with an interface into a bridge, or back: all of them are done, or undone. */
export const MOVE = 'move-address';

type Steps = ReturnType<typeof linkOperations>;

/**
 * Puts the interface that leads to the physical network into the bridge, up and learning; of a vlan network a sub-interface
 * of it. What the host's own is on it goes with it to the bridge, in the same batch.
 */
export const planUplink = (
  host: HostIdentity,
  intent: NetworkIntent,
  links: ReadonlyMap<string, ObservedLink>,
  uplink: ObservedUplink,
): readonly Operation[] => {
  const { provider } = intent;
  if (provider === undefined) return [];
  const steps = linkOperations(host, intent);
  const { bridge, uplink: name } = devicesOf(intent);
  const parent = links.get(provider.device);
  const there = links.get(name);
  const operations: Operation[] = [];
  if (provider.vlan !== undefined) operations.push(...planTagged(steps, intent, name, parent, there));
  if (parent?.up !== true) {
    operations.push(
      steps.set('set-up', provider.device, ['up'], `it leads to physical network ${provider.physicalNetwork}`),
    );
  }
  if (name !== provider.device && there?.up !== true) {
    operations.push(
      steps.set('set-up', name, ['up'], `it leads to VLAN ${String(provider.vlan)} of ${provider.physicalNetwork}`),
    );
  }
  const isInside = there?.master === bridge && links.has(bridge);
  if (!isInside) {
    const reason = `${name} leads network ${intent.networkId} to physical network ${provider.physicalNetwork}`;
    operations.push(steps.set('set-uplink', name, ['master', bridge], reason));
    if (provider.vlan === undefined) operations.push(...moveOperations(intent, uplink.device, bridge, uplink.routes));
  } else if (there.port?.learning === false) {
    const reason = 'where stations of a physical network are is learnt from what they send';
    operations.push(steps.set('set-uplink', name, ['type', 'bridge_slave', 'learning', 'on'], reason));
  }
  return operations;
};

const planTagged = (
  steps: Steps,
  intent: NetworkIntent,
  name: string,
  parent: ObservedLink | undefined,
  there: ObservedLink | undefined,
): readonly Operation[] => {
  if (there === undefined) return [steps.addVlan(name, parent?.name ?? ''), steps.mark(name)];
  return there.alias === networkMark(intent.networkId) ? [] : [steps.mark(name)];
};

/** Takes what is the host's own from one device to another, with the MAC address by which its neighbours know it. */
const moveOperations = (
  { networkId }: NetworkIntent,
  from: HostInterface | undefined,
  to: string,
  routes: readonly InterfaceRoute[],
): readonly Operation[] => {
  if (from === undefined || from.addresses.length === 0) return [];
  const known = `neighbours know ${from.name} by it`;
  return [
    ...(from.mac === undefined
      ? []
      : [step(networkId, MOVE, to, ['ip', 'link', 'set', 'dev', to, 'address', from.mac], known)]),
    ...transfer(networkId, MOVE, from, to, routes),
  ];
};

const step = (networkId: string, kind: string, device: string, argv: readonly string[], reason: string): Operation => ({
  kind,
  key: linkKey(device),
  argv,
  reason,
  networkId,
});

const transfer = (
  networkId: string,
  kind: string,
  from: HostInterface,
  to: string,
  routes: readonly InterfaceRoute[],
): readonly Operation[] => [
  ...from.addresses.flatMap(({ address, words }) => [
    step(networkId, kind, from.name, ['ip', 'address', 'del', address, 'dev', from.name], `${to} has it from now on`),
    step(networkId, kind, to, ['ip', 'address', 'add', ...words, 'dev', to], `the host's own, from ${from.name}`),
  ]),
  ...routes.map(({ words }) =>
    step(
      networkId,
      kind,
      to,
      ['ip', 'route', 'replace', ...words, 'dev', to],
      'a route of the host, which went with its address',
    ),
  ),
];

/** Gives an interface back what the bridge has of it, once it is out of the bridge. */
export const giveBackOperations = (
  networkId: string,
  bridge: HostInterface,
  routes: readonly InterfaceRoute[],
  device: string,
): readonly Operation[] => transfer(networkId, 'give-back-address', bridge, device, routes);

/** The interface whose addresses these steps move. */
export const movedDevice = (operations: readonly Operation[]): string | undefined =>
  operations.find(({ kind, argv }) => kind === MOVE && argv[1] === 'address' && argv[2] === 'del')?.argv.at(-1);

/** Lines of `ip -batch` that undo such a move, as far as it came. */
export const moveBackLines = (operations: readonly Operation[]): readonly string[] => {
  const device = movedDevice(operations);
  if (device === undefined) return [];
  const moved = operations.filter(
    ({ kind, argv }) => kind === MOVE && (argv.includes('add') || argv.includes('route')),
  );
  const words = ({ argv }: Operation): readonly string[] => argv.slice(1, -2);
  return [
    `link set dev ${device} nomaster`,
    ...moved.flatMap((operation) => {
      const [, , verb, address = ''] = operation.argv;
      return verb === 'add' ? [`address del ${address} dev ${operation.argv.at(-1) ?? ''}`] : [];
    }),
    ...moved.map((operation) => [...words(operation), 'dev', device].join(' ')),
  ];
};
