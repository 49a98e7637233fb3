import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  DhcpServer,
  DutyKind,
  DutyServiceService,
  PortSecurity,
  RouterInstance,
  WatchDutiesResponse,
} from '#proto/weft/topology/v1/duty.ts';
import { createLog } from '#platform/log/create-log.ts';
import { client } from '#platform/rpc/client.ts';
import { serverStream, service } from '#platform/rpc/handlers.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileStore } from '../sys/file-store.ts';
import { DutySource } from './duty-source.ts';
import { DutyStore } from './duty-store.ts';

const log = createLog({ name: 'test', level: 'error', destination: 'stderr' });
const ID = { a: 'aaaaaaaa-1111-4111-8111-111111111111', b: 'bbbbbbbb-1111-4111-8111-111111111111' } as const;
const PORT = 'eeeeeeee-1111-4111-8111-111111111111';

const dhcp = (network_id: string, generation = '1', port_id = PORT): DhcpServer =>
  DhcpServer.fromPartial({
    network_id,
    generation,
    port: { port_id, network_id, mac_address: 'fa:16:3e:00:00:01', mtu: 1_450, addresses: ['10.0.0.2/24'] },
    subnets: [{ id: ID.a, network_id, cidr: '10.0.0.0/24', gateway_ip: '10.0.0.1' }],
    hosts: [{ port_id: ID.b, mac_address: 'fa:16:3e:00:00:02', ip_addresses: ['10.0.0.3'], hostname: 'g1' }],
    dns_domain: 'example.net',
  });
const said = (kind: DutyKind, value?: DhcpServer): WatchDutiesResponse =>
  WatchDutiesResponse.fromPartial({ kind, ...(value !== undefined && { duty: { $case: 'dhcp_server', value } }) });
const snapshot = (value: DhcpServer): WatchDutiesResponse => said(DutyKind.DUTY_KIND_SNAPSHOT, value);
const BOOKMARK = said(DutyKind.DUTY_KIND_BOOKMARK);

describe('what a host hears of its duties', () => {
  const stack: (() => Promise<void>)[] = [];
  let folder: string;
  let heard: string[];
  let address: string;
  /** What each stream says, in the order they are opened; the last stays open. */
  let streams: (readonly WatchDutiesResponse[])[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dh-duty-'));
    heard = [];
    streams = [];
    address = `unix:${join(folder, 'topology.sock')}`;
    stack.push(async () => rm(folder, { recursive: true }));
  });
  afterEach(async () => {
    for (const stop of stack.splice(0).toReversed()) await stop();
  });

  const serve = async (): Promise<void> => {
    const duties = service(DutyServiceService, {
      watchDuties: serverStream(async function* (_request, { signal }) {
        yield* streams.shift() ?? [];
        if (streams.length > 0) return;
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve, { once: true });
        });
      }),
    });
    const server = rpcServer({
      name: 'topology',
      listen: [address],
      services: [duties],
      descriptors: new Uint8Array(),
      log,
    });
    const signal = AbortSignal.timeout(10_000);
    await server.start(signal);
    stack.push(async () => server.stop(signal));
  };

  const listen = async (startGraceMs = 60_000): Promise<void> => {
    const duties = client(DutyServiceService, address);
    const source = new DutySource({
      client: duties,
      hostId: 'h1',
      store: new DutyStore(new FileStore(join(folder, 'state')), log),
      dhcp: {
        replace: (all, isComplete) =>
          heard.push(`${isComplete ? 'all' : 'known'}: ${all.map(({ networkId }) => networkId.slice(0, 1)).join('')}`),
        set: ({ networkId, generation }) => heard.push(`set ${networkId.slice(0, 1)} ${generation.toString()}`),
        ended: (id) => heard.push(`ended ${id.slice(0, 1)}`),
      },
      routers: {
        replace: () => undefined,
        set: ({ generation }) => heard.push(`router ${generation.toString()}`),
        ended: (_, generation) => heard.push(`router ended by ${generation.toString()}`),
      },
      ports: {
        setPortSecurity: (id, { enabled }) => heard.push(`port ${id.slice(0, 1)} ${String(enabled)}`),
        endPortSecurity: (id) => heard.push(`port ${id.slice(0, 1)} ended`),
      },
      log: { ...log, warn: () => undefined, error: (_, text) => heard.push(text) },
      startGraceMs,
    });
    await source.start();
    let stopped = false;
    stack.push(async () => {
      if (!stopped) await source.stop();
      stopped = true;
      duties.close();
    });
  };
  const has = async (...words: readonly string[]): Promise<void> => {
    await eventually(
      `${words.join(', ')} instead of ${heard.join(', ')}`,
      () => heard.join() === words.join(),
      3_000,
    ).catch(() => {
      expect(heard).toEqual(words);
    });
  };

  test('is complete at the bookmark, and changes after it', async () => {
    streams.push([
      ...[snapshot(dhcp(ID.a)), snapshot(dhcp(ID.b)), BOOKMARK],
      ...[said(DutyKind.DUTY_KIND_SET, dhcp(ID.a, '2')), said(DutyKind.DUTY_KIND_ENDED, dhcp(ID.b))],
    ]);
    await serve();
    await listen();
    await has('all: ab', 'set a 2', 'ended b');
  });

  test('ends nothing by a stream that breaks before its snapshot is complete, and all that the next does not name', async () => {
    streams.push(
      [snapshot(dhcp(ID.a)), snapshot(dhcp(ID.b)), BOOKMARK],
      [snapshot(dhcp(ID.b))],
      [snapshot(dhcp(ID.b)), BOOKMARK],
    );
    await serve();
    await listen();
    await has('all: ab', 'all: b');
  });

  test('ends nothing by a snapshot that cannot be read whole', async () => {
    streams.push([snapshot(dhcp(ID.a)), BOOKMARK], [snapshot({ ...dhcp(ID.b), dns_domain: 'a,b\n' }), BOOKMARK]);
    await serve();
    await listen();
    await has('all: a', 'duty not readable', 'known: a');
  });

  test('does not end by the word of a port that served it before', async () => {
    const old = 'dddddddd-1111-4111-8111-111111111111';
    streams.push([snapshot(dhcp(ID.a)), BOOKMARK, said(DutyKind.DUTY_KIND_ENDED, dhcp(ID.a, '7', old))]);
    await serve();
    await listen();
    await has('all: a');
  });

  test('of two words about a router the one of the higher generation holds', async () => {
    const router = (kind: DutyKind, generation: string): WatchDutiesResponse => {
      const value = RouterInstance.fromPartial({ router_id: ID.a, generation });
      return WatchDutiesResponse.fromPartial({ kind, duty: { $case: 'router', value } });
    };
    const { DUTY_KIND_SET: set, DUTY_KIND_ENDED: ended } = DutyKind;
    streams.push([
      BOOKMARK,
      router(set, '3'),
      router(set, '2'),
      router(ended, '2'),
      router(set, '4'),
      router(ended, '5'),
    ]);
    await serve();
    await listen();
    await has('all: ', 'router 3', 'router 4', 'router ended by 5');
  });

  test('is kept for a start without topology, which ends nothing', async () => {
    streams.push([snapshot(dhcp(ID.a)), BOOKMARK]);
    await serve();
    await listen();
    await has('all: a');
    for (const stop of stack.splice(1).toReversed()) await stop();
    heard = [];
    await listen(50);
    await has('known: a');
  });

  test('has what ports may send', async () => {
    const value = PortSecurity.fromPartial({
      port_id: ID.a,
      network_id: ID.b,
      enabled: true,
      mac_address: 'fa:16:3e:00:00:01',
    });
    const duty = { $case: 'port_security' as const, value };
    streams.push([WatchDutiesResponse.fromPartial({ kind: DutyKind.DUTY_KIND_SNAPSHOT, duty }), BOOKMARK], [BOOKMARK]);
    await serve();
    await listen();
    await has('port a true', 'all: ', 'port a ended', 'all: ');
  });
});
