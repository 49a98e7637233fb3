import { nullLog } from '#platform/log/log.ts';
import { OvsDataplane } from '../../agents/dataplane/drivers/ovs/dataplane.ts';
import type { ObservedOvsNetwork } from '../../agents/dataplane/drivers/ovs/observed.ts';
import type { KernelEvent } from '../../agents/dataplane/model/host.ts';
import type { HostIdentity, NetworkIntent } from '../../agents/dataplane/model/intent.ts';
import type { Operation } from '../../agents/dataplane/model/operation.ts';
import type { VswitchDatabase } from '../../agents/dataplane/protocols/ovsdb/vswitch-database.ts';
import { dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { allDone } from '../netns/overlay.ts';
import type { Ovs } from './ovs.ts';
import { openDatabase } from './vswitch.ts';

const BRIDGE = 'br-int';
const signal = AbortSignal.timeout(600_000);

/** The dataplane of one host, working on an Open vSwitch of its own. */
export interface OvsHost extends AsyncDisposable {
  readonly ovs: Ovs;
  readonly identity: HostIdentity;
  readonly dataplane: OvsDataplane;
  readonly database: VswitchDatabase;
  /** What it has told of, oldest first. */
  readonly events: readonly KernelEvent[];
  observe(intent: NetworkIntent): Promise<ObservedOvsNetwork>;
  plan(intent: NetworkIntent): Promise<readonly Operation[]>;
  /** Observes, plans and does it; throws at a step that failed. */
  reconcile(intent: NetworkIntent): Promise<readonly Operation[]>;
}

/** Starts it. The same switch can be given to another one after its end. */
export const startOvsHost = async (ovs: Ovs, identity: HostIdentity, bridge = BRIDGE): Promise<OvsHost> => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openDatabase(ovs));
  const dataplane = new OvsDataplane({
    host: identity,
    bridge,
    datapath: 'netdev',
    underlayDevice: 'eth0',
    database,
    dial: dialUnix,
    runDir: ovs.dir,
    log: nullLog,
    prefix: ovs.namespace.prefix,
  });
  await dataplane.start(signal);
  stack.defer(async () => dataplane.stop());
  const events: KernelEvent[] = [];
  const halt = new AbortController();
  const watching = (async () => {
    for await (const event of dataplane.events(halt.signal)) events.push(event);
  })();
  stack.defer(async () => {
    halt.abort();
    await watching;
  });
  const kept = stack.move();
  const observe = async (intent: NetworkIntent): Promise<ObservedOvsNetwork> => dataplane.observe(intent, signal);
  const plan = async (intent: NetworkIntent): Promise<readonly Operation[]> =>
    dataplane.plan(identity, intent, await observe(intent), signal);
  return {
    ovs,
    identity,
    dataplane,
    database,
    events,
    observe,
    plan,
    reconcile: async (intent) => {
      const operations = await plan(intent);
      allDone(await dataplane.apply(operations, signal));
      return operations;
    },
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
};
