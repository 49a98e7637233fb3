import { flowKey, sameAction, sameButActions } from '../../protocols/openflow/flow-identity.ts';
import type { Flow } from '../../protocols/openflow/flow.ts';
import { formatFlow, formatFlowId } from '../../protocols/openflow/format.ts';
import { numbered, strangerNumber } from './flow-spec.ts';
import type { ActionSpec, FlowSpec } from './flow-spec.ts';

/** More than any port of a switch has (ovs-fields(7), `in_port`): a number that no name stands for is itself. */
const FIRST = 0x1_0000;

/** Numbers in the place of devices, for what is written and compared by number. */
class Numbering {
  readonly #numbers = new Map<string, number>();
  readonly #devices: string[] = [];

  flow(spec: FlowSpec): Flow {
    const { flow } = numbered(spec, (device) => strangerNumber(device) ?? this.#number(device));
    if (flow === undefined) throw new TypeError('every device has a number here');
    return flow;
  }

  readonly nameOf = (port: number): string => this.#devices[port - FIRST] ?? port.toString();

  #number(device: string): number {
    const known = this.#numbers.get(device);
    if (known !== undefined) return known;
    const number = FIRST + this.#devices.push(device) - 1;
    this.#numbers.set(device, number);
    return number;
  }
}

/** What tells a flow from all others: equal for flows of the same table, priority, input port and match. */
export const specKey = (spec: FlowSpec): string =>
  spec.inPort === undefined ? flowKey(spec) : `${spec.inPort} ${flowKey(spec)}`;

/** Whether both are the same flow and do the same. */
export const sameSpec = (a: FlowSpec, b: FlowSpec): boolean =>
  a.inPort === b.inPort &&
  a.actions.length === b.actions.length &&
  a.actions.every((action, at) => sameActionSpec(action, b.actions[at])) &&
  sameButActions(a, b);

const sameActionSpec = (a: ActionSpec, b: ActionSpec | undefined): boolean => {
  if (a.kind === 'output') return b?.kind === 'output' && a.device === b.device;
  return b !== undefined && b.kind !== 'output' && sameAction(a, b);
};

/** As ovs-ofctl(8) takes it, with the names of ports; `match` is only what tells it from others. */
export const specText = (spec: FlowSpec, what: 'all' | 'match' = 'all'): string => {
  const numbering = new Numbering();
  const flow = numbering.flow(spec);
  return what === 'all' ? formatFlow(flow, numbering.nameOf) : formatFlowId(flow, numbering.nameOf);
};
