import type { DhcpDuty } from '../../model/dhcp-duty.ts';
import type { EdgeTools } from '../core/apply.ts';
import type { DaemonSpec, EdgeStep, WantedNamespace } from '../core/model.ts';
import { namespaceName } from '../core/names.ts';
import { observeEdge } from '../core/observe.ts';
import type { EdgeService } from '../core/worker.ts';
import { daemonOf, folderOf, wantedDhcp } from './desired.ts';
import { planDhcp, planDhcpRemoval } from './plan.ts';
import type { ObservedDhcp } from './plan.ts';

/** What was asked to be released is released by now, or will not be. */
const RELEASE_MS = 900;

/** DHCP for networks by dnsmasq in namespaces `qdhcp-<network id>`. */
export class DhcpService implements EdgeService<DhcpDuty> {
  readonly kind = 'dhcp';
  readonly #tools: EdgeTools;
  readonly #stateDir: string;
  /** Lines of leases whose release was asked for, and when, by network. */
  readonly #releases = new Map<string, Map<string, number>>();

  constructor(tools: EdgeTools, stateDir: string) {
    this.#tools = tools;
    this.#stateDir = stateDir;
  }

  idOf({ networkId }: DhcpDuty): string {
    return networkId;
  }

  generationOf({ generation }: DhcpDuty): number {
    return generation;
  }

  daemonsOf(duty: DhcpDuty): readonly DaemonSpec[] {
    return [wantedDhcp(duty, this.#stateDir).daemon];
  }

  async look(duty: DhcpDuty, signal: AbortSignal): Promise<readonly EdgeStep[]> {
    const wanted = wantedDhcp(duty, this.#stateDir);
    const { commands, daemons } = this.#tools;
    const [edge, files, leavesChecksums] = await Promise.all([
      observeEdge(commands, wanted.namespace, signal),
      this.#readFiles(wanted.folder),
      this.#leavesChecksums(wanted.namespace, signal),
    ]);
    const asked = this.#releases.get(duty.networkId) ?? new Map<string, number>();
    const now = Date.now();
    const stubborn = new Set([...asked].flatMap(([line, at]) => (now - at > RELEASE_MS ? [line] : [])));
    const daemon = daemons.find(wanted.daemon);
    const steps = planDhcp(wanted, { edge, files, daemon, leavesChecksums, stubborn, asked: new Set(asked.keys()) });
    this.#note(duty.networkId, files.leases ?? '', steps, asked);
    return steps;
  }

  async lookRemoval(networkId: string, signal: AbortSignal): Promise<readonly EdgeStep[]> {
    this.#releases.delete(networkId);
    const folder = folderOf(this.#stateDir, networkId);
    const { commands, daemons, files } = this.#tools;
    const edge = await observeEdge(commands, { kind: 'dhcp', id: networkId }, signal);
    const daemon = daemons.find(daemonOf(networkId, folder));
    return planDhcpRemoval(networkId, { edge, daemon, hasFiles: await files.exists(folder) }, this.#stateDir);
  }

  /** Undefined where there is no such device yet, or no ethtool. */
  async #leavesChecksums({ kind, id, links }: WantedNamespace, signal: AbortSignal): Promise<boolean | undefined> {
    const enter = ['ip', 'netns', 'exec', namespaceName(kind, id)];
    const { status, stdout } = await this.#tools.commands.run(
      [...enter, 'ethtool', '-k', links[0]?.name ?? ''],
      signal,
    );
    return status === 0 ? stdout.includes('\ntx-checksumming: on') : undefined;
  }

  async #readFiles(folder: string): Promise<ObservedDhcp['files']> {
    const { files } = this.#tools;
    const [host, addn_hosts, opts, leases, loaded] = await Promise.all(
      ['host', 'addn_hosts', 'opts', 'leases', 'loaded'].map(async (name) => files.read(`${folder}/${name}`)),
    );
    return { host, addn_hosts, opts, leases, loaded };
  }

  /** Remembers which releases are asked for by these steps, and forgets those that are done. */
  #note(networkId: string, leases: string, steps: readonly EdgeStep[], before: ReadonlyMap<string, number>): void {
    const lines = leases.split('\n');
    const asked = new Map([...before].filter(([line]) => lines.includes(line)));
    for (const { kind, key } of steps) {
      if (kind !== 'release-lease') continue;
      const line = lines.find((each) => key.startsWith(`lease:${each.split(' ')[2] ?? ''}@`));
      if (line !== undefined) asked.set(line, Date.now());
    }
    // dnsmasq starts without them.
    if (steps.some(({ kind }) => kind === 'start-daemon')) asked.clear();
    this.#releases.set(networkId, asked);
  }
}
