import { atOnce } from '#platform/testing/at-once.ts';
import type { NetworkChange, NetworkIntent } from '../../../model/intent.ts';
import type { Operation } from '../../../model/operation.ts';
import { DEVICES, HOST, NETWORK } from '../../../testing/worlds.ts';
import { planBase } from '../base-plan.ts';
import type { FlowSpec } from '../flow-spec.ts';
import { specKey } from '../flow-text.ts';
import type { PipelineOptions } from '../flows.ts';
import { planNetwork, planNetworkChange } from '../plan.ts';
import { allDone, FakeSwitch } from './fake-switch.ts';

/** Where the worlds' network is planned. */
export const SITE = { host: HOST, bridge: 'br-int' };

/** A switch with what all networks share, and with these taps on its host. */
export const switchWithTaps = async (
  devices: readonly string[] = DEVICES,
  options: PipelineOptions = {},
): Promise<FakeSwitch> => {
  const fake = new FakeSwitch(SITE.bridge);
  for (const device of devices) fake.addDevice(device);
  allDone(await fake.apply(planBase({ ...SITE, ...options }, 'netdev', { tunnels: new Map(), flows: [] })));
  return fake;
};

/** What a look at everything says is to be done. */
export const planOf = async (
  fake: FakeSwitch,
  intent: NetworkIntent,
  options: PipelineOptions = {},
): Promise<readonly Operation[]> => {
  const devices = [...intent.ports.values()].map(({ device }) => device);
  return atOnce(planNetwork({ ...SITE, ...options }, intent, await fake.observe(NETWORK, devices)));
};

/** What is to be done for a change alone. */
export const planChangeOf = (fake: FakeSwitch, intent: NetworkIntent, change: NetworkChange): readonly Operation[] =>
  planNetworkChange(SITE, intent, change, {
    ports: fake.view.ports(),
    isExposed: (device) => fake.indexOf(device) !== undefined,
    indexOf: (device) => fake.indexOf(device),
  });

/** Does what a look says, all of it. */
export const bring = async (fake: FakeSwitch, intent: NetworkIntent, options: PipelineOptions = {}): Promise<void> => {
  allDone(await fake.apply(await planOf(fake, intent, options)));
};

/** The flows of the network, by what tells one from the other, whatever order they were written in. */
export const flowsOf = async (fake: FakeSwitch): Promise<ReadonlyMap<string, FlowSpec>> =>
  new Map((await fake.observe(NETWORK, [])).flows.map((flow) => [specKey(flow), flow]));
