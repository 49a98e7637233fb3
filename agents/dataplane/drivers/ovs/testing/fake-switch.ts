import { DomainError } from '#platform/errors/domain-error.ts';
import { atOnce } from '#platform/testing/at-once.ts';
import type { NetworkFacts } from '../../../model/intent.ts';
import type { Operation, Outcome } from '../../../model/operation.ts';
import { isolationOf } from '../../../plan/isolation.ts';
import { flowKey } from '../../../protocols/openflow/flow-identity.ts';
import type { Flow, FlowMod } from '../../../protocols/openflow/flow.ts';
import { Interface } from '../../../protocols/ovsdb/vswitch-tables.ts';
import { areSet } from '../../../sys/sysctl.ts';
import type { Sysctl } from '../../../sys/sysctl.ts';
import { applyOperations } from '../apply.ts';
import { named } from '../flow-spec.ts';
import type { FlowSpec } from '../flow-spec.ts';
import { networkMark } from '../marks.ts';
import type { ObservedOvsNetwork } from '../observed.ts';
import { cookieOf } from '../pipeline.ts';
import { PortNumbers } from '../port-numbers.ts';
import { rowsOf } from '../rows.ts';
import { SwitchView } from '../switch-view.ts';
import { FakeDatabase } from './fake-database.ts';

const LOCAL = 65_534;
const never = new AbortController().signal;

/** Each step done, or the test that needs it fails with what was said against it. */
export const allDone = (outcomes: readonly Outcome[]): void => {
  const failures = outcomes.filter(({ error }) => error !== undefined);
  if (failures.length > 0)
    throw new Error(failures.map(({ operation, error }) => `${operation.argv.join(' ')}: ${error ?? ''}`).join('\n'));
};

/**
 * A switch as this driver meets it, with its database and its kernel: a port has a number once its device is there and
 * keeps it when that goes, a number that is free is given again, flows stay when their ports go, `add` puts a flow in the
 * place of its like.
 */
export class FakeSwitch {
  readonly database: FakeDatabase;
  readonly view: SwitchView;
  /** Of the kernel, with their indexes. */
  readonly #devices = new Map<string, number>();
  #lastIndex = 0;
  readonly #flows = new Map<string, Flow>();
  readonly #settings = new Map<string, string>();
  readonly #sysctl: Sysctl = {
    read: async (name) => Promise.resolve(this.#hasSetting(name) ? (this.#settings.get(name) ?? '0') : undefined),
    write: async (name, value) => {
      if (!this.#hasSetting(name)) throw new DomainError('not_found', 'SYSCTL_FAILED', `${name}: no such file`);
      this.#settings.set(name, value);
      return Promise.resolve();
    },
  };
  #numbers = new PortNumbers();
  /** Of the database, by `apply`: the switch looks at all of its ports after each. */
  transactions = 0;

  /** A bridge of a switch: one that others have too, when it shares their database. */
  constructor(bridge: string, database = new FakeDatabase()) {
    this.database = database;
    this.view = new SwitchView(this.database, bridge);
  }

  /** A tap that somebody made. */
  addDevice(name: string): void {
    this.#lastIndex += 1;
    this.#devices.set(name, this.#lastIndex);
    this.#run();
  }

  removeDevice(name: string): void {
    this.#devices.delete(name);
    for (const setting of this.#settings.keys()) if (setting.includes(`.${name}.`)) this.#settings.delete(setting);
    this.#run();
  }

  indexOf(name: string): number | undefined {
    return this.#devices.get(name);
  }

  /** Whether the host's IP stack is kept off a device. */
  async isIsolated(name: string): Promise<boolean> {
    return await areSet(this.#sysctl, isolationOf(name), never);
  }

  /** The agent is another one: what it knew of numbers is forgotten. */
  restartAgent(): void {
    this.#numbers = new PortNumbers();
    this.#numbers.update(this.view.ports());
  }

  /** All flows, by the names that ports have now. */
  get flows(): readonly FlowSpec[] {
    return [...this.#flows.values()].map((flow) => named(flow, (port) => this.#numbers.nameOf(port)));
  }

  /** What somebody does to flows by hand. */
  changeFlows(mods: readonly FlowMod[]): void {
    for (const mod of mods) this.#change(mod);
  }

  get numbers(): PortNumbers {
    return this.#numbers;
  }

  async apply(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    return await applyOperations(
      {
        view: this.view,
        numbers: this.#numbers,
        sysctl: this.#sysctl,
        leaving: new Set(),
        transact: async (steps) => {
          this.transactions += 1;
          this.database.transact(steps);
          this.#run();
          return Promise.resolve();
        },
        changeFlows: async (mods) => {
          this.changeFlows(mods);
          return Promise.resolve(mods.map(() => undefined));
        },
      },
      operations,
      never,
    );
  }

  /** As the driver does; `devices` are those that the network's ports have. */
  async observe({ networkId, vni }: NetworkFacts, devices: readonly string[]): Promise<ObservedOvsNetwork> {
    const flows = this.flows.filter(({ cookie }) => cookie === cookieOf(vni));
    const mark = this.view.bridgeRow?.row.external_ids.get(networkMark(vni));
    const there = devices.filter((device) => this.#devices.has(device));
    const exposed = new Set<string>();
    for (const device of there) if (!(await areSet(this.#sysctl, isolationOf(device), never))) exposed.add(device);
    if (mark !== undefined && mark !== networkId) throw new Error(`${networkMark(vni)} is ${mark}`);
    return {
      rows: atOnce(rowsOf(flows)),
      flows,
      ports: this.view.ports(),
      devices: new Set(there),
      indexes: new Map(there.map((device) => [device, this.#devices.get(device) ?? 0])),
      exposed,
      ...(mark !== undefined && { mark }),
    };
  }

  #hasSetting(name: string): boolean {
    return [...this.#devices.keys()].some((device) => name.includes(`.${device}.`));
  }

  #change(mod: FlowMod): void {
    if (mod.command === 'add') this.#flows.set(flowKey(mod.flow), mod.flow);
    else if (mod.command === 'delete_strict') {
      const key = flowKey(mod.flow);
      if (this.#flows.get(key)?.cookie === mod.cookie) this.#flows.delete(key);
    } else if (mod.command === 'delete') {
      for (const [key, { cookie }] of this.#flows) if (cookie === mod.cookie) this.#flows.delete(key);
    } else throw new Error('the fake switch does not modify flows');
  }

  /** What ovs-vswitchd does once it sees that something changed. */
  #run(): void {
    const used = new Set([...this.view.ports().values()].map(({ ofport }) => ofport));
    for (const { interfaceUuid, interface: row } of this.view.portRows().values()) {
      if (row.ofport !== undefined && row.ofport > 0) continue;
      if (row.type === '' && !this.#devices.has(row.name)) {
        const error = `could not open network device ${row.name}`;
        if (row.error !== error) this.database.write(Interface, interfaceUuid, { ofport: -1, error });
        continue;
      }
      let ofport = row.name === this.view.bridge ? LOCAL : 1;
      while (used.has(ofport)) ofport += 1;
      used.add(ofport);
      this.database.write(Interface, interfaceUuid, { ofport, error: undefined });
    }
    this.#numbers.update(this.view.ports());
  }
}
