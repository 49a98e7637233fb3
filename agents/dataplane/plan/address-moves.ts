import type { HostInterface, InterfaceRoute } from '../model/interface.ts';
import type { Operation } from '../model/operation.ts';

/** Steps that take the host's addresses with an interface into a bridge, or back: all of them are done, or undone. */
export const MOVE = 'move-address';

/** Takes what is the host's own from an interface to its bridge, with the MAC address by which its neighbours know it. */
export const moveOperations = (
  networkId: string,
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
  key: `link:${device}`,
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
  operations.find((operation) => operation.kind === MOVE && isDeletion(operation))?.argv.at(-1);

/** Asked only of moves: a step on a flow puts its command together when it is asked for that. */
const isDeletion = ({ argv }: Operation): boolean => argv[1] === 'address' && argv[2] === 'del';

/** Lines of `ip -batch` that undo such a move, as far as it came, once the interface is out of the bridge. */
export const moveBackLines = (operations: readonly Operation[]): readonly string[] => {
  const device = movedDevice(operations);
  if (device === undefined) return [];
  const moved = operations.filter(
    ({ kind, argv }) => kind === MOVE && (argv.includes('add') || argv.includes('route')),
  );
  const words = ({ argv }: Operation): readonly string[] => argv.slice(1, -2);
  return [
    ...moved.flatMap((operation) => {
      const [, , verb, address = ''] = operation.argv;
      return verb === 'add' ? [`address del ${address} dev ${operation.argv.at(-1) ?? ''}`] : [];
    }),
    ...moved.map((operation) => [...words(operation), 'dev', device].join(' ')),
  ];
};
