import type { FieldName } from '../../../protocols/openflow/fields.ts';
import { BACK } from '../flow-spec.ts';
import type { FlowSpec } from '../flow-spec.ts';

/** Fields of a frame and of its way; those of the way that are left out are 0, of the frame are not there. */
export type Fields = Readonly<Partial<Record<FieldName, bigint>>>;

/** A frame as it leaves the switch. */
export interface Sent {
  readonly device: string;
  readonly fields: Fields;
}

const OF_THE_WAY = /^(?:metadata|reg\d+|tun_id)$/;

/** What becomes of a frame, by these flows alone, as Open vSwitch goes about it (ovs-fields(7), ovs-actions(7)). */
export const sentOf = (flows: readonly FlowSpec[], inPort: string, frame: Fields): readonly Sent[] => {
  const fields: Partial<Record<FieldName, bigint>> = { ...frame };
  const sent: Sent[] = [];
  const valueOf = (name: FieldName): bigint | undefined => fields[name] ?? (OF_THE_WAY.test(name) ? 0n : undefined);
  const matches = ({ match, inPort: from }: FlowSpec): boolean =>
    (from === undefined || from === inPort) &&
    Object.entries(match).every(([name, { value, mask }]) => {
      const found = valueOf(name as FieldName);
      return found !== undefined && (mask === undefined ? found : found & mask) === value;
    });
  const visit = (table: number, depth: number): void => {
    if (depth > 64) throw new Error('the flows lead in a circle');
    const [flow] = flows
      .filter((each) => each.table === table && matches(each))
      .sort((a, b) => b.priority - a.priority);
    if (flow === undefined) return;
    for (const action of flow.actions) {
      if (action.kind === 'set_field') fields[action.field] = action.value;
      else if (action.kind === 'move') fields[action.to] = fields[action.from] ?? 0n;
      else if (action.kind === 'resubmit') visit(action.table ?? table, depth + 1);
      else if (action.kind === 'output') {
        // Nothing goes back where it came from unless that is asked for by its own name.
        if (action.device === BACK) sent.push({ device: inPort, fields: { ...fields } });
        else if (action.device !== inPort) sent.push({ device: action.device, fields: { ...fields } });
      } else throw new Error(`no frame is walked through ${action.kind}`);
    }
    if (flow.gotoTable !== undefined) visit(flow.gotoTable, depth + 1);
  };
  visit(0, 0);
  return sent;
};
