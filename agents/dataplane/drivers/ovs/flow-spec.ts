import type { InTurns } from '#platform/async/turns.ts';
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

/** Begins names of ports that are no device's: the kernel has none with a colon in its name (dev_valid_name). */
const NO_DEVICE = ':';

/** Stands for the port that a frame came in by, to which no other output leads. */
export const BACK = `${NO_DEVICE}in_port`;

/** The bridge's own device. */
export const LOCAL = `${NO_DEVICE}local`;

const RESERVED: ReadonlyMap<number, string> = new Map([
  [OFPP.IN_PORT, BACK],
  [OFPP.LOCAL, LOCAL],
  [OFPP.NORMAL, `${NO_DEVICE}normal`],
  [OFPP.FLOOD, `${NO_DEVICE}flood`],
  [OFPP.ALL, `${NO_DEVICE}all`],
  [OFPP.CONTROLLER, `${NO_DEVICE}controller`],
]);
const RESERVED_NUMBERS: ReadonlyMap<string, number> = new Map([...RESERVED].map(([port, name]) => [name, port]));

/** Whether a name is that of a device, and not one that `named` gave to a port without. */
export const isDevice = (name: string): boolean => !name.startsWith(NO_DEVICE);

/** The number of a port that had no name when it was read back; undefined for all other names. */
export const strangerNumber = (name: string): number | undefined =>
  isDevice(name) || RESERVED_NUMBERS.has(name) ? undefined : Number(name.slice(NO_DEVICE.length));

/**
 * The flow as the switch takes it, the inverse of `named`. Outputs to a device that has no number are left out; `missing`
 * names them. Undefined when the device that frames come in by has none.
 */
export const numbered = (
  spec: FlowSpec,
  portOf: (device: string) => number | undefined,
): { readonly flow: Flow | undefined; readonly missing: readonly string[] } => {
  const missing: string[] = [];
  const actions: Action[] = [];
  for (const action of spec.actions) {
    if (action.kind !== 'output') actions.push(action);
    else {
      const port = RESERVED_NUMBERS.get(action.device) ?? portOf(action.device);
      if (port === undefined) missing.push(action.device);
      else actions.push({ kind: 'output', port });
    }
  }
  if (spec.inPort === undefined) return { flow: { ...spec, actions }, missing };
  const { inPort, ...rest } = spec;
  const port = RESERVED_NUMBERS.get(inPort) ?? portOf(inPort);
  if (port === undefined) return { flow: undefined, missing: [inPort, ...missing] };
  return { flow: { ...rest, match: { ...rest.match, in_port: { value: BigInt(port) } }, actions }, missing };
};

/** What was read back, with the names that the ports have now, or else names that no device has. */
export const named = (flow: Flow, nameOf: (port: number) => string | undefined): FlowSpec => {
  const name = (port: number): string => RESERVED.get(port) ?? nameOf(port) ?? `${NO_DEVICE}${port.toString()}`;
  const actions = flow.actions.map((action): ActionSpec =>
    action.kind === 'output' ? { kind: 'output', device: name(action.port) } : action,
  );
  if (flow.match.in_port === undefined) return { ...flow, actions };
  const { in_port: inPort, ...match } = flow.match;
  return { ...flow, match, inPort: name(Number(inPort.value)), actions };
};

/** All of them `named`. */
export function* naming(
  flows: readonly Flow[],
  nameOf: (port: number) => string | undefined,
): InTurns<readonly FlowSpec[]> {
  const specs: FlowSpec[] = [];
  for (const flow of flows) {
    yield;
    specs.push(named(flow, nameOf));
  }
  return specs;
}

/** The flow with these devices by the numbers that they had, for what is of the past. */
export const ofThePast = (spec: FlowSpec, numbers: ReadonlyMap<string, number>): FlowSpec => {
  const name = (device: string): string => {
    const port = numbers.get(device);
    return port === undefined ? device : `${NO_DEVICE}${port.toString()}`;
  };
  return {
    ...spec,
    ...(spec.inPort !== undefined && { inPort: name(spec.inPort) }),
    actions: spec.actions.map((action) =>
      action.kind === 'output' ? { kind: 'output', device: name(action.device) } : action,
    ),
  };
};
