import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { LinkEvent } from '../../model/host.ts';
import type { Flow, FlowMod } from '../../protocols/openflow/flow.ts';
import type { PacketIn } from '../../protocols/openflow/packet-in.ts';
import { CONTROLLER_ID, COPIED, PRIORITY, TABLES, WATCH_COOKIES, watchCookie } from './pipeline.ts';
import { judgeTcp } from './tcp-checksum.ts';
import type { TcpChecksum } from './tcp-checksum.ts';

export interface ChecksumWatchTools {
  readonly bridge: string;
  /** Whether checksums that guests leave unfinished stay so. */
  readonly isNeeded: () => boolean;
  /** The number of a port that is there. */
  readonly portOf: (device: string) => number | undefined;
  readonly changeFlows: (mods: readonly FlowMod[], signal: AbortSignal) => Promise<readonly (string | undefined)[]>;
  /** What mends a guest, as the last words of a sentence. */
  readonly remedy: (link: LinkEvent, signal: AbortSignal) => Promise<string>;
  readonly warn: (device: string, message: string) => void;
  readonly log: Log;
}

/** A guest's port from when it was put into the bridge until it is taken out. */
interface Plug {
  /** As last told. */
  link: LinkEvent;
  readonly cookie: bigint;
  /** The port whose SYNs are copied to here. */
  watched: number | undefined;
  /** Nothing is to be found out any more. */
  settled: boolean;
  /** SYNs that told nothing. */
  unclear: number;
}

/** Ports come many at a time, and none sends TCP at once. */
const GATHER_MS = 100;
const WRITE_MS = 10_000;
const REMEDY_MS = 5_000;
/** A guest whose SYNs cannot be read is let be after so many. */
const MOST_UNCLEAR = 16;
const WHOLE_PACKET = 0xffff;
const SYN = 0x2n;
const TCP = 6n;
const NETWORK_TYPES = [0x0800n, 0x86ddn];

/**
 * Finds out which guests leave their TCP checksums to a device that would finish them, as virtio and veth devices do unless
 * told otherwise. A datapath in user space passes such segments on as they are, and whoever gets one drops it: ping works, TCP
 * hangs. The first SYN, or SYN and ACK, that comes in by a port is copied to here, and goes on as any other frame;
 * when it is judged, the port is watched no more.
 */
export class ChecksumWatch {
  readonly #tools: ChecksumWatchTools;
  readonly #halt = new AbortController();
  readonly #plugs = new Map<string, Plug>();
  readonly #byCookie = new Map<bigint, Plug>();
  /** Cookies of flows that nobody needs any more. */
  #unneeded: bigint[] = [];
  /** Which of the flows are there is not known. */
  #anew = true;
  #serial = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #telling: Promise<void> = Promise.resolve();

  constructor(tools: ChecksumWatchTools) {
    this.#tools = tools;
  }

  /** Takes up what is told of a device. */
  link(link: LinkEvent): void {
    const known = this.#plugs.get(link.name);
    const isPlugged = link.kind === 'present' && link.master === this.#tools.bridge;
    if (known !== undefined && (!isPlugged || known.link.index !== link.index)) this.#forget(known);
    const plugged = this.#plugs.get(link.name);
    if (plugged !== undefined) plugged.link = link;
    else if (isPlugged) {
      const plug = { link, cookie: watchCookie(this.#serial++), watched: undefined, settled: false, unclear: 0 };
      this.#plugs.set(link.name, plug);
      this.#byCookie.set(plug.cookie, plug);
    }
    this.update();
  }

  /** Numbers of ports, or the datapath, may have changed. */
  update(): void {
    if (this.#halt.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(async () => this.#guard(this.#write()));
    }, GATHER_MS);
  }

  /** The flows may be gone, or others be there from an earlier run. */
  rewrite(): void {
    this.#anew = true;
    this.update();
  }

  /** Judges a copy. */
  packet({ cookie, data }: PacketIn): void {
    const plug = this.#byCookie.get(cookie);
    // More may be on their way when the flow is taken away.
    if (plug === undefined || plug.settled) return;
    const checksum = judgeTcp(data);
    plug.unclear += checksum === undefined ? 1 : 0;
    if (checksum === undefined && plug.unclear < MOST_UNCLEAR) return;
    plug.settled = true;
    this.update();
    if (checksum === undefined || checksum.verdict === 'right') return;
    this.#telling = this.#telling.then(async () => this.#guard(this.#warn(plug, checksum)));
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#timer);
    await Promise.all([this.#writing, this.#telling]);
  }

  #forget(plug: Plug): void {
    this.#plugs.delete(plug.link.name);
    this.#byCookie.delete(plug.cookie);
    if (plug.watched !== undefined) this.#unneeded.push(plug.cookie);
  }

  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (thrown) {
      if (this.#halt.signal.aborted) return;
      this.#tools.log.warn({ error: toError(thrown).message }, 'guests are not watched for wrong checksums');
    }
  }

  async #write(): Promise<void> {
    const mods = this.#changes();
    if (mods.length === 0) return;
    const answers = await withDeadline(WRITE_MS, this.#halt.signal, async (limited) =>
      this.#tools.changeFlows(mods, limited),
    ).catch((thrown: unknown) => {
      this.#anew = true;
      const error = toError(thrown);
      // They are written when the switch is there again.
      if (error instanceof DomainError && error.code === 'unavailable') return [];
      throw error;
    });
    const refusal = answers.find((answer) => answer !== undefined);
    if (refusal !== undefined) throw new DomainError('internal', 'OPENFLOW_REFUSED', refusal);
  }

  #changes(): readonly FlowMod[] {
    const mods: FlowMod[] = this.#unneeded.map((cookie) => ({ command: 'delete', cookie }));
    this.#unneeded = [];
    if (this.#anew) {
      mods.push({ command: 'delete', ...WATCH_COOKIES });
      for (const plug of this.#plugs.values()) plug.watched = undefined;
      this.#anew = false;
    }
    const isNeeded = this.#tools.isNeeded();
    for (const plug of this.#plugs.values()) {
      const port = isNeeded && !plug.settled ? this.#tools.portOf(plug.link.name) : undefined;
      if (port === plug.watched) continue;
      if (plug.watched !== undefined) mods.push({ command: 'delete', cookie: plug.cookie });
      if (port !== undefined)
        mods.push(...watchFlows(plug.cookie, port).map((flow) => ({ command: 'add', flow }) as const));
      plug.watched = port;
    }
    return mods;
  }

  async #warn({ link }: Plug, checksum: TcpChecksum): Promise<void> {
    const remedy = await withDeadline(REMEDY_MS, this.#halt.signal, async (limited) =>
      this.#tools.remedy(link, limited),
    );
    this.#tools.warn(link.name, `${describe(link, checksum)}; ${remedy}`);
  }
}

/** Copies what begins a connection, then lets the frame go the way that it would have gone. */
const watchFlows = (cookie: bigint, port: number): readonly Flow[] =>
  NETWORK_TYPES.map((type) => ({
    cookie,
    table: TABLES.classify,
    priority: PRIORITY.exception,
    match: {
      in_port: { value: BigInt(port) },
      [COPIED]: { value: 0n },
      eth_type: { value: type },
      ip_proto: { value: TCP },
      tcp_flags: { value: SYN, mask: SYN },
    },
    actions: [
      { kind: 'controller', maxLength: WHOLE_PACKET, controllerId: CONTROLLER_ID },
      { kind: 'set_field', field: COPIED, value: 1n },
      { kind: 'resubmit', table: TABLES.classify },
    ],
  }));

const describe = ({ mac = 'the guest' }: LinkEvent, checksum: TcpChecksum): string => {
  const { source, sourcePort, destination, destinationPort, seen, right, verdict } = checksum;
  const way = `from ${endpoint(source, sourcePort)} to ${endpoint(destination, destinationPort)}`;
  const found =
    verdict === 'partial'
      ? `leaves its TCP checksums to a device: a SYN ${way} had the partial checksum ${hex(seen)}, that of the pseudo-header alone,`
      : `sends wrong TCP checksums: a SYN ${way} had ${hex(seen)}`;
  return (
    `${mac} ${found} where ${hex(right)} is right; ` +
    'Open vSwitch in user space passes it on as it is and whoever gets it drops it, so that ping works and TCP hangs'
  );
};

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port.toString()}` : `${address}:${port.toString()}`;
