import { afterEach, beforeEach, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { PortBinding, PortRegistry } from '../model/control-plane.ts';
import type { LinkEvent } from '../model/host.ts';
import { HOST, NETWORK } from '../testing/worlds.ts';
import { DevicePorts } from './device-ports.ts';
import { EventLog } from './event-log.ts';
import { Networks } from './networks.ts';
import { PendingDowns } from './pending-downs.ts';
import { PortSecurities } from './port-securities.ts';
import { ReportedDevices } from './reported-devices.ts';
import { FakeDataplane, port, workerTools } from './testing/fake-dataplane.ts';

const LINK: LinkEvent = { kind: 'present', name: 'tap1', index: 7, portId: port(1).portId };

let dataplane: FakeDataplane;
let networks: Networks;
let devices: DevicePorts;
/** Of the port's binding, as the registry has it. */
let generation: bigint;
let ended: string[];

beforeEach(() => {
  dataplane = new FakeDataplane();
  const events = new EventLog();
  const tools = workerTools(dataplane, events);
  // As the agent puts them together.
  const observer = {
    ...tools.observer,
    withdrawn: (withdrawn: ReturnType<typeof port>): void => {
      devices.onWithdrawn(withdrawn);
    },
  };
  networks = new Networks({ ...tools, observer });
  generation = 1n;
  ended = [];
  const binding = (): PortBinding => ({
    ...{ ...port(1), networkId: NETWORK.networkId, hostId: HOST.hostId, generation },
    ...{ networkType: 'vxlan', segmentationId: NETWORK.vni, physicalNetwork: '', mtu: NETWORK.mtu, adminUp: true },
  });
  const registry: PortRegistry = {
    register: async () => Promise.resolve(),
    renew: async () => Promise.resolve(),
    portUp: async () => Promise.resolve(binding()),
    portDown: async ({ device }) => {
      ended.push(device);
      return Promise.resolve();
    },
    portFailed: async () => Promise.resolve(),
  };
  const none = async (): Promise<void> => Promise.resolve();
  const files = { list: async () => Promise.resolve([]), read: async () => Promise.resolve(undefined) };
  devices = new DevicePorts({
    ...{ registry, networks, dataplane, events, log: nullLog, securities: new PortSecurities() },
    downs: new PendingDowns({ ...files, write: none, append: none, remove: none }),
    reported: new ReportedDevices({ read: () => [], replace: () => undefined, add: () => undefined }, nullLog),
    limits: {
      ...{ hostId: HOST.hostId, underlayMtu: 1_500, underlayVersion: 4, mappings: new Map() },
      parseVni: () => NETWORK.vni,
    },
  });
});

afterEach(async () => {
  await devices.stop();
  await networks.stop();
});

test('a port is plugged with its device, and its end is told when that goes', async () => {
  devices.onLink(LINK);
  await eventually('plugged', () => dataplane.devices.has('tap1'));
  devices.onLink({ ...LINK, kind: 'gone' });
  await eventually('told', () => ended.length === 1);
  expect([[...dataplane.devices], devices.views]).toEqual([[], []]);
});

test('a port that comes back while its end here is still on its way goes with its device all the same', async () => {
  devices.onLink(LINK);
  await eventually('plugged', () => dataplane.devices.has('tap1'));
  const worker = networks.get(NETWORK.networkId);
  const entry = { ...port(1), vtep: HOST.vtep };
  const change = { kind: 'set', entry } as const;
  const told = async (delta: Parameters<NonNullable<typeof worker>['pushAndWait']>[0]): Promise<void> => {
    await worker?.pushAndWait(delta);
  };
  await told({ kind: 'snapshot', snapshot: { revision: 1n, entries: [entry] }, cause: {} });
  await told({ kind: 'delta', delta: { baseRevision: 1n, revision: 2n, cause: '', changes: [change] }, cause: {} });
  const gate = Promise.withResolvers<undefined>();
  dataplane.gate = gate.promise.then(() => undefined);
  // While the host is at work: it went elsewhere, and came back.
  const working = told({ kind: 'plug', port: port(2), cause: {} });
  await new Promise((resolve) => {
    setTimeout(resolve, 10);
  });
  const removed = [{ kind: 'removed', entry }] as const;
  const gone = told({
    ...{ kind: 'delta', cause: {} },
    delta: { baseRevision: 2n, revision: 3n, cause: '', changes: removed },
  });
  generation = 3n;
  devices.onLink({ ...LINK, index: 8 });
  await new Promise((resolve) => {
    setTimeout(resolve, 10);
  });
  gate.resolve(undefined);
  await Promise.all([working, gone]);
  await eventually(
    'plugged anew',
    () => networks.get(NETWORK.networkId)?.table.ports.get(port(1).portId)?.generation === 3n,
  );
  devices.onLink({ ...LINK, index: 8, kind: 'gone' });
  await eventually('told', () => ended.length === 1);
  expect([...(networks.get(NETWORK.networkId)?.table.ports.keys() ?? [])]).toEqual([port(2).portId]);
  expect(dataplane.devices).toEqual(new Set(['tap2']));
});
