import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { recordedTelemetry } from '#platform/telemetry/spans.fixture.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Applied, OperationBatch, TableOperation, TableRevision } from '../domain/table.ts';
import { entryOf, networkOf, vtepOf } from '../testing/arbitraries.ts';
import { MemoryTable } from '../testing/memory-table.ts';
import type { TableWriter } from './ports.ts';
import { TableQueues } from './table-queues.ts';

/** Tables in memory that take their time and can be told to fail. */
class SlowWriter implements TableWriter {
  readonly tables = new Map<Uuid, MemoryTable>();
  readonly batches: OperationBatch[] = [];
  failures = 0;
  #gate = Promise.withResolvers<void>();

  /** Lets what waits go on, and what comes later wait again. */
  go(): void {
    this.#gate.resolve();
    this.#gate = Promise.withResolvers<void>();
  }

  async apply(networkId: Uuid, batch: OperationBatch, knownMembers: number): Promise<Applied> {
    this.batches.push(batch);
    await this.#gate.promise;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new DomainError('unavailable', 'STORE_UNAVAILABLE', 'gone');
    }
    const table = this.tables.get(networkId) ?? new MemoryTable();
    this.tables.set(networkId, table);
    return table.apply(batch, knownMembers);
  }
}

class Bus {
  readonly told: TableRevision[] = [];
  away = false;

  publish(_networkId: Uuid, revision: TableRevision): void {
    if (this.away) throw new DomainError('unavailable', 'BUS_UNAVAILABLE', 'away');
    this.told.push(revision);
  }
}

const set = (n: number, revision = 1, redelivered = false): TableOperation => ({
  kind: 'set',
  version: { port: revision, host: 1 },
  entry: entryOf(n, vtepOf(n % 3), revision),
  redelivered,
});

const cause = (name: string, time = 5) => ({ name, time, trace: {} });

const rig = () => {
  const writer = new SlowWriter();
  const bus = new Bus();
  const made: Applied[] = [];
  const queues = new TableQueues(writer, bus, { knownMembers: () => 0, made: (_, applied) => void made.push(applied) });
  return { writer, bus, made, queues };
};

describe('a network’s changes', () => {
  test('go alone when alone, and together when they come while one is under way', async () => {
    const { writer, bus, made, queues } = rig();
    const first = queues.submit(networkOf(0), [set(0)], cause('First'));
    const crowd = [1, 2, 3].map((n) => queues.submit(networkOf(0), [set(n)], cause('Crowd', 10 - n)));
    expect(writer.batches).toHaveLength(1);
    writer.go();
    await first;
    await eventually('the crowd is under way', () => writer.batches.length === 2);
    writer.go();
    await Promise.all(crowd);
    expect(writer.batches.map(({ operations }) => operations.length)).toEqual([1, 3]);
    expect(writer.batches[1]).toMatchObject({ cause: 'Crowd', time: 7 });
    expect(bus.told.map(({ revision, changes }) => [revision, changes.length])).toEqual([
      [1, 1],
      [2, 3],
    ]);
    expect(made.map(({ revision }) => revision)).toEqual([1, 2]);
  });

  test('do not wait for those of another network', async () => {
    const { writer, queues } = rig();
    const both = [0, 1].map((n) => queues.submit(networkOf(n), [set(n)], cause('Each')));
    expect(writer.batches).toHaveLength(2);
    writer.go();
    await Promise.all(both);
  });

  test('go in batches of at most 256, in order', async () => {
    const { writer, bus, queues } = rig();
    const done = queues.submit(
      networkOf(0),
      Array.from({ length: 600 }, (_, n) => set(n)),
      cause('Many'),
    );
    for (let batch = 1; batch <= 3; batch += 1) {
      await eventually('a batch is under way', () => writer.batches.length === batch);
      writer.go();
    }
    await done;
    expect(bus.told.map(({ changes }) => changes.length)).toEqual([256, 256, 88]);
  });

  test('fail together with their batch alone, and can be given again', async () => {
    const { writer, bus, queues } = rig();
    writer.failures = 1;
    const first = queues.submit(networkOf(0), [set(0)], cause('First'));
    const second = queues.submit(networkOf(0), [set(1)], cause('Second'));
    writer.go();
    await expect(first).rejects.toMatchObject({ code: 'unavailable' });
    await eventually('the second is under way', () => writer.batches.length === 2);
    writer.go();
    await second;
    expect(bus.told).toHaveLength(1);
    const again = queues.submit(networkOf(0), [set(0)], cause('First'));
    writer.go();
    await again;
    expect(bus.told).toHaveLength(2);
  });

  test('that were made but not told are told when they come again', async () => {
    const { writer, bus, queues } = rig();
    bus.away = true;
    const first = queues.submit(networkOf(0), [set(0)], cause('First'));
    writer.go();
    await expect(first).rejects.toMatchObject({ code: 'unavailable' });
    bus.away = false;
    const again = queues.submit(networkOf(0), [set(0, 1, true)], cause('First'));
    writer.go();
    await again;
    expect(bus.told).toMatchObject([{ revision: 1, changes: [{ kind: 'set' }] }]);
    const nothing = queues.submit(networkOf(0), [set(0)], cause('First'));
    writer.go();
    await nothing;
    expect(bus.told).toHaveLength(1);
  });

  test('are refused after the end, those waiting too', async () => {
    const { writer, queues } = rig();
    const running = queues.submit(networkOf(0), [set(0)], cause('First'));
    const waiting = queues.submit(networkOf(0), [set(1)], cause('Second'));
    const closing = queues.close(new AbortController().signal);
    await expect(waiting).rejects.toMatchObject({ reason: 'STOPPING' });
    writer.go();
    await running;
    await closing;
    await expect(queues.submit(networkOf(0), [set(2)], cause('Third'))).rejects.toMatchObject({ reason: 'STOPPING' });
  });

  test('belong to the trace of the first cause, with links to the others', async () => {
    await using telemetry = await recordedTelemetry();
    const { writer, queues } = rig();
    const trace = (n: number) => n.toString(16).padStart(32, 'a');
    const traced = (n: number) => ({ ...cause('Each'), trace: { traceparent: `00-${trace(n)}-00000000000000aa-01` } });
    const all = [0, 1, 2].map((n) => queues.submit(networkOf(0), [set(n)], traced(n)));
    writer.go();
    await all[0];
    await eventually('the others are under way', () => writer.batches.length === 2);
    writer.go();
    await Promise.all(all);
    const { spans } = await telemetry.trace(trace(1), 2);
    const apply = spans.find(({ name }) => name === 'l2pop.apply');
    expect(apply?.links.map(({ traceId }) => traceId)).toEqual([trace(2)]);
    expect(apply?.attributes).toMatchObject({ 'weft.revision': 2, 'weft.changes': 2, 'weft.network.id': networkOf(0) });
  });
});
