import {
  type DhcpServer,
  DutyKind,
  type DutyServiceService,
  type PortSecurity as WirePortSecurity,
  type RouterInstance,
  type WatchDutiesResponse,
} from '#proto/weft/topology/v1/duty.ts';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { parseUuid } from '#platform/net/names.ts';
import { inTrace } from '#platform/telemetry/spans.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type { DhcpDuty } from '../model/dhcp-duty.ts';
import type { DutyListener } from '../model/duty-listener.ts';
import type { PortSecurity } from '../model/port-security.ts';
import type { RouterDuty } from '../model/router-duty.ts';
import type { DutyStore } from './duty-store.ts';
import { parseDhcp, parseRouter } from './duty-wire.ts';
import { portSecurity } from './port-security.ts';

/** Who is told what ports bound to this host may send. */
export interface PortSecurityListener {
  setPortSecurity(portId: string, security: PortSecurity): void;
  endPortSecurity(portId: string): void;
}

export interface DutySourceTools {
  readonly client: RpcClient<typeof DutyServiceService>;
  readonly hostId: string;
  readonly store: DutyStore;
  readonly dhcp: DutyListener<DhcpDuty>;
  readonly routers: DutyListener<RouterDuty>;
  readonly ports: PortSecurityListener;
  readonly log: Log;
  /** How long a start waits for topology before it goes by what is on disk. */
  readonly startGraceMs: number;
}

const RETRY = { baseMs: 100, maxMs: 5_000 };

/** A duty as it came, with the message to be kept. */
type Told =
  | { readonly kind: 'port'; readonly id: string; readonly value: PortSecurity }
  | { readonly kind: 'dhcp'; readonly id: string; readonly message: DhcpServer; readonly value: DhcpDuty }
  | { readonly kind: 'router'; readonly id: string; readonly message: RouterInstance; readonly value: RouterDuty };

/**
 * topology's word of what this host has to serve, by a stream that is opened again whenever it ends. Only a complete
 * snapshot ends what it does not name; while topology is away everything stays.
 */
export class DutySource implements Component {
  readonly name = 'duties';
  readonly #tools: DutySourceTools;
  readonly #halt = new AbortController();
  /** What holds now, by kind and id. */
  readonly #held = new Map<string, Told>();
  #synced = false;
  #grace: NodeJS.Timeout | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(tools: DutySourceTools) {
    this.#tools = tools;
  }

  async start(): Promise<void> {
    const { store, startGraceMs, dhcp, routers } = this.#tools;
    for (const kept of await store.load())
      this.#read(() => this.#hold(kept.kind === 'dhcp' ? dhcpOf(kept.message) : routerOf(kept.message)));
    this.#grace = setTimeout(() => {
      if (this.#synced) return;
      dhcp.replace(this.#allDhcp, false);
      routers.replace(this.#allRouters, false);
    }, startGraceMs);
    this.#loop = this.#watch();
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#grace);
    await this.#loop;
    await this.#tools.store.flush();
  }

  /** Never rejects. */
  async #watch(): Promise<void> {
    const { client, hostId, log } = this.#tools;
    const { signal } = this.#halt;
    for (let failures = 0; !signal.aborted;) {
      const snapshot: Snapshot = { told: new Map(), isReadable: true };
      try {
        for await (const message of client.watchDuties({ host_id: hostId }, { signal })) {
          this.#take(message, snapshot);
          if (message.kind === DutyKind.DUTY_KIND_BOOKMARK) failures = 0;
        }
      } catch (thrown) {
        if (signal.aborted) return;
        if (failures === 0) log.warn({ error: toError(thrown).message }, 'duties not heard, retrying');
      }
      await sleep(backoffMs(failures, RETRY, Math.random), signal).catch(() => undefined);
      failures += 1;
    }
  }

  #take(message: WatchDutiesResponse, snapshot: Snapshot): void {
    if (message.kind === DutyKind.DUTY_KIND_BOOKMARK) this.#complete(snapshot);
    else if (message.kind === DutyKind.DUTY_KIND_ENDED)
      this.#read(() => {
        inTrace(message.trace_context, () => {
          this.#end(message);
        });
      });
    else {
      const isRead = this.#read(() => {
        const told = toldBy(message);
        if (told === undefined) return;
        if (message.kind === DutyKind.DUTY_KIND_SNAPSHOT) snapshot.told.set(keyOf(told), told);
        else {
          inTrace(message.trace_context, () => {
            this.#set(told);
          });
        }
      });
      if (!isRead) snapshot.isReadable = false;
    }
  }

  /** What cannot be read does not hold up the rest; nor does it end anything. */
  #read(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof DomainError)) throw thrown;
      this.#tools.log.error({ error: thrown.message }, 'duty not readable');
      return false;
    }
  }

  #complete({ told, isReadable }: Snapshot): void {
    const { dhcp, routers, ports, store } = this.#tools;
    if (isReadable) {
      for (const [key, held] of this.#held) {
        if (told.has(key)) continue;
        this.#held.delete(key);
        if (held.kind === 'port') ports.endPortSecurity(held.id);
        else store.forget(held);
      }
    }
    for (const each of told.values()) this.#hold(each);
    for (const each of told.values()) if (each.kind === 'port') ports.setPortSecurity(each.id, each.value);
    this.#synced = true;
    dhcp.replace(this.#allDhcp, isReadable);
    routers.replace(this.#allRouters, isReadable);
  }

  #set(told: Told): void {
    const { dhcp, routers, ports } = this.#tools;
    const held = this.#held.get(keyOf(told));
    // A router of an older binding is somebody else's by now.
    if (told.kind === 'router' && held?.kind === 'router' && told.value.generation < held.value.generation) return;
    this.#hold(told);
    if (told.kind === 'port') ports.setPortSecurity(told.id, told.value);
    else if (told.kind === 'dhcp') dhcp.set(told.value);
    else routers.set(told.value);
  }

  #end({ duty }: WatchDutiesResponse): void {
    const { dhcp, routers, ports, store } = this.#tools;
    switch (duty?.$case) {
      case 'port_security': {
        const id = parseUuid('port_security.port_id', duty.value.port_id);
        this.#held.delete(`port:${id}`);
        ports.endPortSecurity(id);
        return;
      }
      case 'dhcp_server': {
        const { network_id: id, generation, port } = duty.value;
        const held = this.#held.get(`dhcp:${id}`);
        // Another port serves the network here now: the one that ended was the one before.
        if (held?.kind !== 'dhcp' || (port !== undefined && port.port_id !== held.value.port.portId)) return;
        this.#held.delete(`dhcp:${id}`);
        store.forget({ kind: 'dhcp', id });
        dhcp.ended(id, Number(generation));
        return;
      }
      case 'router': {
        const { router_id: id, generation } = duty.value;
        const held = this.#held.get(`router:${id}`);
        if (held?.kind !== 'router' || held.value.generation > Number(generation)) return;
        this.#held.delete(`router:${id}`);
        store.forget({ kind: 'router', id });
        routers.ended(id, Number(generation));
        return;
      }
      case undefined:
    }
  }

  #hold(told: Told): void {
    this.#held.set(keyOf(told), told);
    if (told.kind !== 'port') this.#tools.store.keep(told);
  }

  get #allDhcp(): readonly DhcpDuty[] {
    return [...this.#held.values()].flatMap((each) => (each.kind === 'dhcp' ? [each.value] : []));
  }

  get #allRouters(): readonly RouterDuty[] {
    return [...this.#held.values()].flatMap((each) => (each.kind === 'router' ? [each.value] : []));
  }
}

interface Snapshot {
  readonly told: Map<string, Told>;
  /** Every part of it could be read. */
  isReadable: boolean;
}

const keyOf = ({ kind, id }: Told): string => `${kind}:${id}`;

const toldBy = ({ duty }: WatchDutiesResponse): Told | undefined => {
  switch (duty?.$case) {
    case 'port_security':
      return securityOf(duty.value);
    case 'dhcp_server':
      return dhcpOf(duty.value);
    case 'router':
      return routerOf(duty.value);
    case undefined:
      // A kind of duty that this agent is too old for.
      return undefined;
  }
};

const securityOf = (message: WirePortSecurity): Told => ({
  kind: 'port',
  id: parseUuid('port_security.port_id', message.port_id),
  value: portSecurity(message),
});

const dhcpOf = (message: DhcpServer): Told => {
  const value = parseDhcp(message);
  return { kind: 'dhcp', id: value.networkId, message, value };
};

const routerOf = (message: RouterInstance): Told => {
  const value = parseRouter(message);
  return { kind: 'router', id: value.routerId, message, value };
};
