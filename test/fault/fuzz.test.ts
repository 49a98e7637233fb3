import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AgentServiceService } from '#proto/weft/agent/v1/agent.ts';
import { ExplainServiceService } from '#proto/weft/agent/v1/explain.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { DutyServiceService } from '#proto/weft/topology/v1/duty.ts';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import { TopologyServiceService, type Network, type Port } from '#proto/weft/topology/v1/topology.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';
import { inFlight } from '../bench/in-flight.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { exactWithin } from './support/exact.ts';
import { hostileMessage, noise } from './support/hostile.ts';
import { invalidRequests } from './support/invalid-requests.ts';
import { hostKernel } from './support/host-kernel.ts';
import { pidsOf, publish, type RawMessage } from './support/lab-processes.ts';
import { Protos } from './support/protos.ts';
import { RawCaller, type RawOutcome } from './support/raw-call.ts';
import { wholeRecord } from './support/record.ts';

/** What a service may say to anything at all. The others mean that it did not know what was happening to it. */
const CALM = [
  'OK',
  'OPEN',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
];

type ServiceName = 'ipam' | 'topology' | 'l2pop' | 'agent';

const METHODS: readonly (readonly [ServiceName, MethodShape])[] = [
  ...Object.values(IpamServiceService).map((method) => ['ipam', method] as const),
  ...Object.values(TopologyServiceService).map((method) => ['topology', method] as const),
  ...Object.values(RouterServiceService).map((method) => ['topology', method] as const),
  ...Object.values(DutyServiceService).map((method) => ['topology', method] as const),
  ...Object.values(L2populationServiceService).map((method) => ['l2pop', method] as const),
  ...Object.values(AgentServiceService).map((method) => ['agent', method] as const),
  ...Object.values(ExplainServiceService).map((method) => ['agent', method] as const),
];

/** They are given nothing that could be wrong. */
const ASKS_NOTHING: ReadonlySet<string> = new Set([
  AgentServiceService.getHostState.path,
  ExplainServiceService.getHostPicture.path,
]);

/** They act at once on what exists, so they are not given ids of what exists. */
const ACTS = /FloodDestination|ReportPort|DetachPort|AttachPort|RegisterHost|RenewHostLease|ReportHostState/;

describe('bad input', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let raw: RawCaller;
  let protos: Protos;
  let network: Network;
  let ports: readonly Port[];
  let spare: Port;
  let subnetId: string;
  let addresses: Readonly<Record<ServiceName, string>>;

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'fuzz', hosts: 2, separate: true }));
    raw = stack.use(new RawCaller());
    protos = new Protos(await readFile(new URL('../../proto/gen/descriptors.binpb', import.meta.url)));
    network = await weft.network({ name: 'fuzzed' });
    subnetId = (await weft.subnet(network, '172.16.1.0/24')).id;
    ports = [await weft.port(network), await weft.port(network)];
    spare = await weft.port(network);
    for (const [at, port] of ports.entries()) {
      await inPlace({ lab: weft.name, host: weft.hosts[at] ?? '' }, [
        'ip',
        'tuntap',
        'add',
        'dev',
        tapOf(port.id),
        'mode',
        'tap',
      ]);
    }
    await weft.inSync(network.id, ports.length);
    const { ipam, topology, l2pop, agent } = await weft.connections.endpoints();
    addresses = { ipam, topology, l2pop, agent: agent('h1') };
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  /** All that must be as it was. */
  const everything = async (): Promise<unknown> => ({
    pids: pidsOf(weft.name, weft.hosts),
    record: await wholeRecord(weft.connections),
    kernels: await Promise.all(weft.hosts.map(async (host) => hostKernel(weft.name, host))),
  });

  const unchangedBy = async (work: () => Promise<void>): Promise<void> => {
    const before = await everything();
    await work();
    expect(await everything()).toEqual(before);
    expect(existsSync('/tmp/weft-was-here')).toBe(false);
  };

  const call = async (service: ServiceName, method: MethodShape, bytes: Uint8Array): Promise<RawOutcome> =>
    await raw.call(addresses[service], method, bytes);

  test('is INVALID_ARGUMENT with the field, for every field of every method, and changes nothing', async () => {
    const requests = invalidRequests(protos, { network: network.id, subnet: subnetId, port: spare.id, host: 'h1' });
    const untried = METHODS.filter(
      ([, { path }]) => !ASKS_NOTHING.has(path) && !requests.some(({ method }) => method.path === path),
    );
    expect(untried.map(([, { path }]) => path)).toEqual([]);
    await unchangedBy(async () => {
      const outcomes = await inFlight(requests.length, 16, async (at) => {
        const request = requests[at];
        if (request === undefined) throw new Error('no request');
        const { code, violations, message } = await call(request.service, request.method, request.bytes);
        const named = violations.some(({ field }) =>
          field
            .replace(/\[.*?\]/g, '')
            .split('.')
            .includes(request.field),
        );
        return code === 'INVALID_ARGUMENT' && named
          ? []
          : [`${request.title}: ${code} ${message} ${JSON.stringify(violations.map(({ field }) => field))}`];
      });
      expect(outcomes.flat()).toEqual([]);
    });
  });

  test('of any fields in any shape is answered in kind by every method, and changes nothing', async () => {
    const known = [network.id, subnetId, spare.id, 'h1', tapOf(spare.id), '172.16.1.9', network.etag];
    const request = fc.constantFrom(...METHODS).chain(([service, method]) =>
      hostileMessage(protos.requestOf(method), ACTS.test(method.path) ? [] : known).map((bytes) => ({
        service,
        method,
        bytes: harmless(protos, method, bytes),
      })),
    );
    await unchangedBy(async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 24, maxLength: 24 }), async (batch) => {
          const outcomes = await Promise.all(
            batch.map(async ({ service, method, bytes }) => ({
              path: method.path,
              ...(await call(service, method, bytes)),
            })),
          );
          expect(outcomes.filter(({ code }) => !CALM.includes(code))).toEqual([]);
          expect(
            outcomes.filter(
              ({ code, reason, violations }) =>
                code === 'INVALID_ARGUMENT' && reason === 'INVALID_FIELD' && violations.length === 0,
            ),
          ).toEqual([]);
        }),
        { numRuns: 40, seed: SEED, endOnFailure: true },
      );
    });
  });

  test('that is no message at all is INVALID_ARGUMENT or an empty message, and changes nothing', async () => {
    await unchangedBy(async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.constantFrom(...METHODS), noise), { minLength: 24, maxLength: 24 }),
          async (batch) => {
            const outcomes = await Promise.all(
              batch.map(async ([[service, method], bytes]) => ({
                path: method.path,
                ...(await call(service, method, harmless(protos, method, bytes))),
              })),
            );
            expect(outcomes.filter(({ code }) => !CALM.includes(code))).toEqual([]);
          },
        ),
        { numRuns: 20, seed: SEED, endOnFailure: true },
      );
    });
  });

  test('on the bus is dropped, and what comes after it is heard', async () => {
    const delta = protos.message('weft.event.v1.ForwardingDelta');
    const ack = protos.message('weft.event.v1.ForwardingAck');
    const event = protos.message('weft.event.v1.TopologyEvent');
    const known = [network.id, ...ports.map(({ id }) => id), 'h1', '192.0.2.12', 'fa:16:3e:00:00:01'];
    const unknown = randomUUID();
    const bytes = (message: typeof delta, mix: readonly string[]): fc.Arbitrary<Uint8Array> =>
      fc.oneof({ weight: 4, arbitrary: hostileMessage(message, mix) }, { weight: 1, arbitrary: noise });
    const message: fc.Arbitrary<RawMessage> = fc.oneof(
      fc
        .tuple(fc.constantFrom(network.id, unknown, 'x', '*.weft'), bytes(delta, known))
        .map(([id, data]) => ({ subject: `weft.forwarding.${id}`, data, stream: false })),
      fc
        .tuple(fc.constantFrom('h1', 'h2', 'h9', 'x.y', '$'), bytes(ack, known))
        .map(([host, data]) => ({ subject: `weft.ack.${host}`, data, stream: false })),
      // Of nothing that exists: an event about a port of ours that is well formed is to be believed.
      fc
        .tuple(fc.constantFrom('port', 'network', 'host', 'nonsense'), bytes(event, []))
        .map(([kind, data]) => ({ subject: `weft.topology.${kind}.${unknown}`, data, stream: true })),
    );
    const messages = fc.sample(message, { numRuns: 400, seed: SEED }).filter(({ data }) => data.length < 1_000_000);
    // What is well formed but cannot be: revisions from nowhere, for this very network.
    const numbers = [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 2n ** 48n].map(String);
    const forged = numbers.flatMap((revision): readonly RawMessage[] => [
      {
        subject: `weft.ack.h1`,
        data: protos.encode(ack, { host_id: 'h1', networks: [{ network_id: network.id, revision }] }),
        stream: false,
      },
      {
        subject: `weft.ack.h2`,
        data: protos.encode(ack, { host_id: 'h1', networks: [{ network_id: network.id, revision }] }),
        stream: false,
      },
      {
        subject: `weft.forwarding.${network.id}`,
        data: protos.encode(delta, { network_id: network.id, base_revision: revision, revision, cause: '$(reboot)' }),
        stream: false,
      },
      {
        subject: `weft.forwarding.${network.id}`,
        data: protos.encode(delta, { network_id: unknown, base_revision: 0, revision, cause: 'x' }),
        stream: false,
      },
      {
        subject: `weft.forwarding.${network.id}`,
        data: protos.encode(delta, { network_id: network.id, base_revision: 0, revision, cause: 'x' }),
        stream: false,
      },
    ]);
    await unchangedBy(async () => {
      await publish(weft.name, [...messages, ...forged]);
      await weft.inSync(network.id, ports.length);
    });
    const late = await weft.port(network);
    await inPlace({ lab: weft.name, host: 'h1' }, ['ip', 'tuntap', 'add', 'dev', tapOf(late.id), 'mode', 'tap']);
    await weft.converged(network.id, ports.length + 1, 5_000);
    await exactWithin(weft, network, 5_000);
  });
});

const SEED = 20_260_701;

/** The message with `validate_only` set where the method has it, and a request_id of its own: only checks are tried. */
const harmless = (protos: Protos, method: MethodShape, bytes: Uint8Array): Uint8Array => {
  const field = protos.requestOf(method).fields.find(({ name }) => name === 'validate_only');
  if (field === undefined) return bytes;
  // Of a field that comes twice the last one counts.
  return Buffer.concat([bytes, new BinaryWriter().tag(field.number, WireType.Varint).bool(true).finish()]);
};
