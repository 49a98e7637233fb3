import { nullLog } from '#platform/log/log.ts';
import { OpenFlowConnection } from '../../../agents/dataplane/protocols/openflow/connection.ts';
import type { FlowMod } from '../../../agents/dataplane/protocols/openflow/flow.ts';
import { mutate } from '../../../agents/dataplane/protocols/ovsdb/operation.ts';
import { OpenVswitch } from '../../../agents/dataplane/protocols/ovsdb/vswitch-tables.ts';
import { dialUnix } from '../../../agents/dataplane/sys/stream-socket.ts';
import { startOvs, type Ovs } from '../../support/ovs.ts';
import { openDatabase } from '../../support/vswitch.ts';
import { medianMs } from '../figures.ts';

const BRIDGE = 'br-floor';
const TURNS = 500;

/** What one change of a switch costs by itself, spoken natively: medians in milliseconds. */
export interface SwitchFloor {
  /** One OVSDB transaction to its reply. */
  readonly ovsdb_ms: number;
  /** As that, until ovs-vswitchd has taken it up. */
  readonly ovsdb_live_ms: number;
  /** One flow in a bundle to its confirmation. */
  readonly bundle_ms: number;
}

/** Of a switch with one empty bridge, which nobody else talks to. */
export const measureSwitchFloor = async (): Promise<SwitchFloor> => {
  await using ovs = await startOvs({ name: 'floor' });
  await ovs.addBridge(BRIDGE);
  await using database = await openDatabase(ovs);
  const { signal } = new AbortController();
  const change = (turn: number) =>
    [
      mutate(
        OpenVswitch,
        [],
        [
          ['external_ids', 'delete', ['floor']],
          ['external_ids', 'insert', new Map([['floor', turn.toString()]])],
        ],
      ),
    ] as const;
  return {
    ovsdb_ms: await medianMs(TURNS, async (turn) => database.client.transact(change(turn), signal)),
    ovsdb_live_ms: await medianMs(TURNS, async (turn) => database.transactLive(change(turn), signal)),
    bundle_ms: await measureBundle(ovs, signal),
  };
};

const measureBundle = async (ovs: Ovs, signal: AbortSignal): Promise<number> => {
  await using openflow = new OpenFlowConnection({
    dial: dialUnix,
    path: ovs.mgmtSocket(BRIDGE),
    log: nullLog,
    onConnected: () => undefined,
    onLost: () => undefined,
  });
  await openflow.start(AbortSignal.timeout(10_000));
  const flow = (turn: number): FlowMod => ({
    command: 'add',
    flow: { table: 0, priority: 1, cookie: 0n, match: { eth_dst: { value: BigInt(turn) } }, actions: [] },
  });
  return await medianMs(TURNS, async (turn) => openflow.apply([flow(turn)], signal));
};
