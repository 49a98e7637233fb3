import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Operation } from '../../model/operation.ts';
import type { FlowSpec } from './flow-spec.ts';
import { isolationOf } from '../../plan/isolation.ts';
import { specKey, specText } from './flow-text.ts';

/** What is to be changed, as data; `argv` is the command that it stands for. */
export type OvsChange =
  | FlowChange
  /** All flows with one cookie. */
  | { readonly kind: 'delete-flows'; readonly cookie: bigint }
  /** Keeps the host's own IP stack off a device, or no longer. */
  | { readonly kind: 'isolate-port'; readonly settings: readonly string[] }
  | DatabaseChange;

/** A change of one flow. */
interface FlowChange {
  readonly kind: 'add-flow' | 'delete-flow';
  readonly flow: FlowSpec;
}

/** A change of the switch's database. */
export type DatabaseChange =
  | { readonly kind: 'add-bridge'; readonly columns: BridgeColumns }
  | { readonly kind: 'set-bridge'; readonly columns: Partial<BridgeColumns> }
  | { readonly kind: 'name-tables'; readonly names: Readonly<Record<number, string>> }
  /** `undefined` takes the key away. */
  | { readonly kind: 'set-bridge-id'; readonly key: string; readonly value: string | undefined }
  | { readonly kind: 'add-port'; readonly port: NewPort }
  | { readonly kind: 'set-tunnel'; readonly device: string; readonly options: Readonly<Record<string, string>> }
  | { readonly kind: 'set-mtu'; readonly device: string; readonly mtu: number }
  | { readonly kind: 'set-peer'; readonly device: string; readonly peer: string }
  | { readonly kind: 'delete-port'; readonly device: string }
  | { readonly kind: 'delete-bridge' };

export interface BridgeColumns {
  readonly datapathType: string;
  readonly failMode: 'secure';
  /** Versions of OpenFlow that it speaks; all of them when left out. */
  readonly protocols?: readonly string[];
  readonly ids: Readonly<Record<string, string>>;
  /** MAC address of its own device; the switch chooses one when left out. */
  readonly mac?: MacAddress;
}

/** A port with one interface of its own name. */
export interface NewPort {
  readonly device: string;
  /** Without one the device is there already. */
  readonly type?: 'vxlan' | 'patch';
  readonly options?: Readonly<Record<string, string>>;
  readonly mtu?: number;
  readonly interfaceIds: Readonly<Record<string, string>>;
  readonly portIds: Readonly<Record<string, string>>;
}

/** A step of this driver. */
export interface OvsOperation extends Operation {
  /** The bridge that it is about. */
  readonly bridge: string;
  readonly change: OvsChange;
}

const OFCTL = ['ovs-ofctl', '-O', 'OpenFlow15'];

/** A step on one flow. There are many of these, and few are asked what they are: what they say is put together then. */
class FlowStep implements OvsOperation {
  readonly kind: string;
  readonly change: FlowChange;
  readonly reason: string;
  readonly networkId?: string;
  readonly portId?: string;
  readonly needs?: readonly string[];
  readonly bridge: string;

  constructor(bridge: string, change: FlowChange, purpose: Purpose, kind: string = change.kind) {
    this.bridge = bridge;
    this.kind = kind;
    this.change = change;
    this.reason = purpose.reason;
    if (purpose.networkId !== undefined) this.networkId = purpose.networkId;
    if (purpose.portId !== undefined) this.portId = purpose.portId;
    if (purpose.needs !== undefined) this.needs = purpose.needs;
  }

  get key(): string {
    return `flow ${specKey(this.change.flow)}`;
  }

  get argv(): readonly string[] {
    const { kind, flow } = this.change;
    return kind === 'add-flow'
      ? [...OFCTL, 'add-flow', this.bridge, specText(flow)]
      : [...OFCTL, '--strict', 'del-flows', this.bridge, specText(flow, 'match')];
  }
}

/** Whom and what a step is for. */
export interface Purpose {
  readonly reason: string;
  readonly networkId?: string;
  readonly portId?: string;
  readonly needs?: readonly string[];
}

/** The bridge, so that what needs it can say so. */
export const bridgeKey = (bridge: string): string => `bridge ${bridge}`;
export const portKey = (device: string): string => `port ${device}`;

/** The steps on one integration bridge. */
export const operationsOn = (bridge: string): BridgeOperations => {
  const known = made.get(bridge);
  if (known !== undefined) return known;
  const operations = makeOperations(bridge);
  made.set(bridge, operations);
  return operations;
};

/** By bridge: they are asked for with every change. */
const made = new Map<string, BridgeOperations>();

const makeOperations = (bridge: string) => {
  const vsctl = (...words: readonly string[]): readonly string[] => ['ovs-vsctl', ...words];
  const step = (
    key: string,
    argv: readonly string[],
    change: OvsChange,
    purpose: Purpose,
    kind: string = change.kind,
  ): OvsOperation => ({
    kind,
    key,
    argv,
    bridge,
    change,
    ...purpose,
  });
  const ids = (column: string, map: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(map).map(([key, value]) => `${column}:${key}=${value}`);
  return {
    addFlow: (flow: FlowSpec, purpose: Purpose, kind?: string): OvsOperation =>
      new FlowStep(bridge, { kind: 'add-flow', flow }, purpose, kind),
    deleteFlow: (flow: FlowSpec, purpose: Purpose): OvsOperation =>
      new FlowStep(bridge, { kind: 'delete-flow', flow }, purpose),
    deleteFlows: (cookie: bigint, purpose: Purpose) =>
      step(
        `flows 0x${cookie.toString(16)}`,
        [...OFCTL, 'del-flows', bridge, `cookie=0x${cookie.toString(16)}/-1`],
        { kind: 'delete-flows', cookie },
        purpose,
      ),
    addBridge: (columns: BridgeColumns, purpose: Purpose) =>
      step(
        bridgeKey(bridge),
        vsctl(
          ...['add-br', bridge, '--', 'set', 'Bridge', bridge, `datapath_type=${columns.datapathType}`],
          ...[`fail_mode=${columns.failMode}`, ...ids('external_ids', columns.ids)],
        ),
        { kind: 'add-bridge', columns },
        purpose,
      ),
    setBridge: (columns: Partial<BridgeColumns>, purpose: Purpose) =>
      step(
        bridgeKey(bridge),
        vsctl(
          ...['set', 'Bridge', bridge],
          ...(columns.datapathType === undefined ? [] : [`datapath_type=${columns.datapathType}`]),
          ...(columns.failMode === undefined ? [] : [`fail_mode=${columns.failMode}`]),
          ...(columns.protocols === undefined ? [] : [`protocols=${columns.protocols.join(',')}`]),
          ...ids('external_ids', columns.ids ?? {}),
          ...(columns.mac === undefined ? [] : [`other_config:hwaddr="${columns.mac}"`]),
        ),
        { kind: 'set-bridge', columns },
        purpose,
      ),
    nameTables: (names: Readonly<Record<number, string>>, purpose: Purpose) =>
      step(
        bridgeKey(bridge),
        vsctl(
          ...Object.entries(names).flatMap(([table, name]) => [
            ...['--', `--id=@t${table}`, 'create', 'Flow_Table', `name=${name}`],
            ...['--', 'set', 'Bridge', bridge, `flow_tables:${table}=@t${table}`],
          ]),
        ),
        { kind: 'name-tables', names },
        purpose,
      ),
    setBridgeId: (key: string, value: string | undefined, purpose: Purpose) =>
      step(
        `mark ${key}`,
        value === undefined
          ? vsctl('remove', 'Bridge', bridge, 'external_ids', key)
          : vsctl('set', 'Bridge', bridge, `external_ids:${key}=${value}`),
        { kind: 'set-bridge-id', key, value },
        purpose,
        value === undefined ? 'delete-network-mark' : 'mark-network',
      ),
    addPort: (port: NewPort, purpose: Purpose) => {
      const { device } = port;
      return step(
        portKey(device),
        vsctl(
          ...['add-port', bridge, device, '--', 'set', 'Interface', device],
          ...(port.type === undefined ? [] : [`type=${port.type}`]),
          ...ids('options', port.options ?? {}),
          ...(port.mtu === undefined ? [] : [`mtu_request=${port.mtu.toString()}`]),
          ...ids('external_ids', port.interfaceIds),
          ...['--', 'set', 'Port', device, ...ids('external_ids', port.portIds)],
        ),
        { kind: 'add-port', port },
        purpose,
      );
    },
    isolatePort: (device: string, purpose: Purpose) => {
      const settings = isolationOf(device);
      return step(`settings ${device}`, ['sysctl', '-w', ...settings], { kind: 'isolate-port', settings }, purpose);
    },
    /** Undoes that; `settings` as `name=value`. */
    openPort: (device: string, settings: readonly string[], purpose: Purpose) =>
      step(
        `settings ${device}`,
        ['sysctl', '-w', ...settings],
        { kind: 'isolate-port', settings },
        purpose,
        'open-port',
      ),
    setTunnel: (device: string, options: Readonly<Record<string, string>>, purpose: Purpose) =>
      step(
        portKey(device),
        vsctl('set', 'Interface', device, 'type=vxlan', ...ids('options', options)),
        { kind: 'set-tunnel', device, options },
        purpose,
      ),
    setMtu: (device: string, mtu: number, purpose: Purpose) =>
      step(
        portKey(device),
        vsctl('set', 'Interface', device, `mtu_request=${mtu.toString()}`),
        { kind: 'set-mtu', device, mtu },
        purpose,
      ),
    setPeer: (device: string, peer: string, purpose: Purpose) =>
      step(
        portKey(device),
        vsctl('set', 'Interface', device, 'type=patch', `options:peer=${peer}`),
        { kind: 'set-peer', device, peer },
        purpose,
      ),
    deleteBridge: (purpose: Purpose) =>
      step(bridgeKey(bridge), vsctl('--if-exists', 'del-br', bridge), { kind: 'delete-bridge' }, purpose),
    /** Takes a port away that is made anew by the next step: not a removal. */
    replacePort: (device: string, purpose: Purpose) =>
      step(
        portKey(device),
        vsctl('--if-exists', 'del-port', bridge, device),
        { kind: 'delete-port', device },
        purpose,
        'replace-port',
      ),
    deletePort: (device: string, purpose: Purpose) =>
      step(portKey(device), vsctl('--if-exists', 'del-port', bridge, device), { kind: 'delete-port', device }, purpose),
  };
};

/** The steps on one integration bridge. */
export type BridgeOperations = ReturnType<typeof makeOperations>;

/** The bridge that a step of this driver is about. */
export const bridgeOf = (operation: Operation | undefined): string | undefined =>
  operation !== undefined && 'bridge' in operation ? (operation as OvsOperation).bridge : undefined;

/** Neighbours that are about one bridge. */
export const runsByBridge = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const runs: Operation[][] = [];
  let last: string | undefined;
  for (const operation of operations) {
    const bridge = bridgeOf(operation);
    if (runs.length === 0 || bridge !== last) runs.push([]);
    runs.at(-1)?.push(operation);
    last = bridge;
  }
  return runs;
};
