import type { Action, Flow } from '../../protocols/openflow/flow.ts';
import { OFPP } from '../../protocols/openflow/flow.ts';

/** An action, with the port by the name of its device. */
export type ActionSpec =
  Exclude<Action, { readonly kind: 'output' }> | { readonly kind: 'output'; readonly device: string };

/**
 * A flow as the pipeline wants it. Ports are names of devices, so that it can be planned before the switch has numbered
 * them; `numbered` finds the numbers when it is written.
 */
export interface FlowSpec extends Omit<Flow, 'actions'> {
  /** Where frames must come in; anywhere without it. */
  readonly inPort?: string;
  readonly actions: readonly ActionSpec[];
}

/** Stands for the port that a frame came in by, to which no other output leads. */
export const BACK = 'in_port';

/** A device without a number of its own in the switch. */
const RESERVED: ReadonlyMap<number, string> = new Map([
  [OFPP.IN_PORT, BACK],
  [OFPP.LOCAL, 'LOCAL'],
  [OFPP.NORMAL, 'NORMAL'],
  [OFPP.FLOOD, 'FLOOD'],
  [OFPP.ALL, 'ALL'],
  [OFPP.CONTROLLER, 'CONTROLLER'],
]);

/**
 * The flow as the switch takes it. Outputs to a device that has no number are left out; `missing` names them. Undefined
 * when the device that frames come in by has none.
 */
export const numbered = (
  spec: FlowSpec,
  portOf: (device: string) => number | undefined,
): { readonly flow: Flow | undefined; readonly missing: readonly string[] } => {
  const { inPort, actions: wanted, ...rest } = spec;
  const missing: string[] = [];
  const actions: Action[] = [];
  for (const action of wanted) {
    if (action.kind !== 'output') actions.push(action);
    else {
      const port = action.device === BACK ? OFPP.IN_PORT : portOf(action.device);
      if (port === undefined) missing.push(action.device);
      else actions.push({ kind: 'output', port });
    }
  }
  if (inPort === undefined) return { flow: { ...rest, actions }, missing };
  const port = portOf(inPort);
  if (port === undefined) return { flow: undefined, missing: [inPort, ...missing] };
  return { flow: { ...rest, match: { ...rest.match, in_port: { value: BigInt(port) } }, actions }, missing };
};

/** What was read back, with the names that the ports have now; one that has none is `#` and its number, which no device is. */
export const named = (flow: Flow, nameOf: (port: number) => string | undefined): FlowSpec => {
  const name = (port: number): string => RESERVED.get(port) ?? nameOf(port) ?? `#${port.toString()}`;
  const { match, actions, ...rest } = flow;
  const { in_port: inPort, ...others } = match;
  return {
    ...rest,
    match: others,
    ...(inPort !== undefined && { inPort: name(Number(inPort.value)) }),
    actions: actions.map((action) =>
      action.kind === 'output' ? { kind: 'output', device: name(action.port) } : action,
    ),
  };
};
