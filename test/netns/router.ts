import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nullLog } from '#platform/log/log.ts';
import type { RouterDuty } from '../../agents/dataplane/model/router-duty.ts';
import type { EdgeTools } from '../../agents/dataplane/edge/core/apply.ts';
import { EdgeDuties } from '../../agents/dataplane/edge/core/duties.ts';
import { RouterService } from '../../agents/dataplane/edge/router/service.ts';
import { EventLog } from '../../agents/dataplane/reconcile/event-log.ts';
import { HostCommands } from '../../agents/dataplane/sys/command.ts';
import { ownDaemons } from '../../agents/dataplane/sys/daemons.ts';
import { ownEdgeFiles } from '../../agents/dataplane/sys/edge-files.ts';
import { ownNamespaces } from '../../agents/dataplane/sys/namespace-watch.ts';
import { Namespace } from './namespaces.ts';
import type { Namespaces } from './namespaces.ts';

/** A host's routers without the rest of an agent. */
export interface Edge extends AsyncDisposable {
  readonly duties: EdgeDuties<RouterDuty>;
  readonly events: EventLog;
  readonly stateDir: string;
}

/** What acts on a host: names of namespaces are of this process' mount namespace, devices of the host's network namespace. */
export const toolsOf = (host: Namespace): EdgeTools => ({
  commands: new HostCommands(['nsenter', `--net=/run/netns/${host.name}`]),
  files: ownEdgeFiles,
  daemons: ownDaemons,
});

/** What serves routers on a host, as an agent that has just started; its state is kept from one to the next. */
export const startEdge = async (host: Namespace, stateDir: string): Promise<Edge> => {
  const events = new EventLog();
  const tools = toolsOf(host);
  const service: RouterService = new RouterService({
    ...tools,
    stateDir,
    suspect: (id) => {
      duties.suspect(id);
    },
  });
  const duties = new EdgeDuties<RouterDuty>(service, {
    ...tools,
    ...{ hostId: 'h1', events, log: nullLog, namespaces: ownNamespaces },
    timing: { auditIntervalMs: 30_000, settleMs: 100 },
  });
  await duties.start();
  return {
    ...{ duties, events, stateDir },
    [Symbol.asyncDispose]: async () => {
      await duties.stop();
      await service.stop();
    },
  };
};

/** A folder for the state of agents that serve these routers; with the scope go both, and what runs for them. */
export const stateFolder = async (
  routerIds: readonly string[],
): Promise<AsyncDisposable & { readonly path: string }> => {
  const path = await mkdtemp(join(tmpdir(), 'weft-router-'));
  const commands = new HostCommands();
  const signal = AbortSignal.timeout(60_000);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      for (const { name } of routerIds.map(insideOf)) {
        const { stdout } = await commands.run(['ip', 'netns', 'pids', name], signal);
        for (const pid of stdout.split(/\s+/).filter((each) => each !== '')) process.kill(Number(pid));
        await commands.run(['ip', 'netns', 'del', name], signal);
      }
      await rm(path, { recursive: true, force: true });
    },
  };
};

/** A guest with an address, behind a bridge of the host that stands for a network. */
export const guestOn = async (
  namespaces: Namespaces,
  host: Namespace,
  bridge: string,
  label: string,
  setup: readonly string[],
): Promise<Namespace> => {
  const guest = await namespaces.add(label);
  await host.veth(`${label}0`, guest, 'eth0');
  await host.must('ip', 'link', 'set', 'dev', `${label}0`, 'master', bridge, 'up');
  await guest.must('ip', 'link', 'set', 'dev', 'eth0', 'up');
  for (const words of setup) await guest.must('ip', ...words.split(' '));
  return guest;
};

/** The namespace of a router. */
export const insideOf = (routerId: string): Namespace => new Namespace(`qrouter-${routerId}`);

/** Whether an address answers one question within a second. */
export const answers = async (from: Namespace, address: string): Promise<boolean> =>
  (await from.run('ping', '-c', '1', '-W', '1', '-n', address)).status === 0;
