import { MAX_VNI } from '#platform/net/vni.ts';
import type { Vni } from '#platform/net/vni.ts';
import { isNumberWithoutVni } from '../../plan/segment.ts';
import type { FieldName } from '../../protocols/openflow/fields.ts';
import { flowKey } from '../../protocols/openflow/flow-identity.ts';
import type { FlowUpdate } from '../../protocols/openflow/flow-monitor.ts';
import type { RowChange } from '../../protocols/ovsdb/replicated-rows.ts';
import type { VswitchTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import { udpPortOf } from './devices.ts';
import { specKey } from './flow-text.ts';
import { baseFlows } from './flows.ts';
import { ownerOf, PRIORITY, TABLES } from './pipeline.ts';

/** What is to be looked at: what all networks share, the watched ports, a network, or that of the port of a number. */
export type Suspect = 'base' | 'watch' | { readonly vni: Vni } | { readonly port: number };

const OURS: ReadonlySet<number> = new Set(Object.values(TABLES));
const BASE: ReadonlySet<string> = new Set(baseFlows().map(specKey));

/**
 * What of ours somebody else's change to a flow may concern; undefined when nothing. Of a flow that takes the place of
 * another the switch tells only its own cookie, so whose place it is follows from table, priority and match.
 */
export const suspectOf = (update: FlowUpdate): Suspect | undefined => {
  const owner = ownerOf(update.cookie);
  if (owner !== undefined) return typeof owner === 'string' ? owner : { vni: owner };
  return update.event === 'removed' || !OURS.has(update.table) ? undefined : replacedBy(update);
};

const replacedBy = (update: FlowUpdate): Suspect | undefined => {
  const { table, priority, match } = update;
  const exact = (field: FieldName): number | undefined => {
    const given = match[field];
    return given === undefined || given.mask !== undefined ? undefined : Number(given.value);
  };
  if (priority === PRIORITY.entry) {
    const vni = exact(table === TABLES.classify ? 'tun_id' : 'metadata');
    if (vni !== undefined)
      return (vni > 0 && vni <= MAX_VNI) || isNumberWithoutVni(vni) ? { vni: vni as Vni } : undefined;
  }
  if (table === TABLES.classify) {
    const port = exact('in_port');
    if (port !== undefined && priority === PRIORITY.entry) return { port };
    if (port !== undefined && priority === PRIORITY.exception) return 'watch';
  }
  if (table === TABLES.anti_spoof) {
    const port = exact('in_port');
    if (port !== undefined) return { port };
  }
  return BASE.has(flowKey(update)) ? 'base' : undefined;
};

/**
 * Whether a change of the switch's database may concern what all networks share: the bridge in all but which ports it has,
 * the tunnels, the names of tables.
 */
export const concernsBase = (change: RowChange<VswitchTable>, bridge: string): boolean => {
  switch (change.table) {
    case 'Open_vSwitch':
      return false;
    case 'Flow_Table':
      return true;
    case 'Bridge': {
      const { before, after } = change;
      if (before === undefined || after === undefined) return (after ?? before)?.name === bridge;
      return after.name === bridge && BRIDGE_COLUMNS.some((column) => before[column] !== after[column]);
    }
    case 'Port':
    case 'Interface': {
      const { name } = change.after ?? change.before ?? {};
      return name !== undefined && (name === bridge || udpPortOf(name) !== undefined);
    }
  }
};

const BRIDGE_COLUMNS = ['datapath_type', 'fail_mode', 'protocols', 'flow_tables', 'external_ids'] as const;
