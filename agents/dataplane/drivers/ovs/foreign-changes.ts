import { MAX_VNI } from '#platform/net/vni.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { FieldName } from '../../protocols/openflow/fields.ts';
import { flowKey } from '../../protocols/openflow/flow-identity.ts';
import type { FlowUpdate } from '../../protocols/openflow/flow-monitor.ts';
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
    if (vni !== undefined) return vni > 0 && vni <= MAX_VNI ? { vni: vni as Vni } : undefined;
  }
  if (table === TABLES.classify) {
    const port = exact('in_port');
    if (port !== undefined && priority === PRIORITY.entry) return { port };
    if (port !== undefined && priority === PRIORITY.exception) return 'watch';
  }
  return BASE.has(flowKey(update)) ? 'base' : undefined;
};
