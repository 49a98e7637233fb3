import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { hostOf, networkOf } from '../testing/arbitraries.ts';
import { AckBoard } from './ack-board.ts';
import { ConvergenceClock } from './convergence-clock.ts';
import type { Acknowledgement } from './ports.ts';

/** Keeps what it is given, one write at a time when told to be slow. */
class Store {
  readonly writes: (readonly Acknowledgement[])[] = [];
  /** Writes begun, those still waiting at the gate included. */
  calls = 0;
  away = false;
  gate: Promise<void> = Promise.resolve();

  async acknowledge(acks: readonly Acknowledgement[]): Promise<void> {
    this.calls += 1;
    await this.gate;
    if (this.away) throw new DomainError('unavailable', 'STORE_UNAVAILABLE', 'away');
    this.writes.push(acks);
  }

  report(): Promise<readonly undefined[]> {
    return Promise.resolve([]);
  }
}

const ack = (host: number, revision: number, network = 0): Acknowledgement => ({
  networkId: networkOf(network),
  hostId: hostOf(host),
  revision,
});

describe('acknowledgements', () => {
  test('that come in one turn are stored in one go, of each host and network the newest', async () => {
    const store = new Store();
    const board = new AckBoard(store, Date.now, new MemoryLog());
    for (const one of [ack(0, 1), ack(1, 1), ack(0, 3), ack(0, 2), ack(0, 1, 1)]) board.hear(one);
    await board.close();
    expect(store.writes).toEqual([[ack(0, 3), ack(1, 1), ack(0, 1, 1)]]);
  });

  test('that come while some are being stored wait for each other', async () => {
    const store = new Store();
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const board = new AckBoard(store, Date.now, new MemoryLog());
    board.hear(ack(0, 1));
    await eventually('the first is being stored', () => store.calls === 1);
    for (const revision of [2, 3, 4]) board.hear(ack(0, revision));
    gate.resolve();
    await board.close();
    expect(store.writes).toEqual([[ack(0, 1)], [ack(0, 4)]]);
  });

  test('are told at once to those who listen to the network, and to nobody after', () => {
    const board = new AckBoard(new Store(), Date.now, new MemoryLog());
    const heard: unknown[] = [];
    {
      using _listening = board.listen(networkOf(0), (host, revision) => heard.push([host, revision]));
      board.hear(ack(0, 1));
      board.hear(ack(0, 1, 1));
    }
    board.hear(ack(0, 2));
    expect(heard).toEqual([[hostOf(0), 1]]);
  });

  test('are stored once the store is back, and newer ones are not overwritten', async () => {
    const store = new Store();
    store.away = true;
    const log = new MemoryLog();
    const board = new AckBoard(store, Date.now, log);
    board.hear(ack(0, 1));
    board.hear(ack(1, 9));
    await eventually('it was tried', () => log.messages('warn').length === 1);
    board.hear(ack(0, 2));
    store.away = false;
    await eventually('it is stored', () => store.writes.length === 1);
    expect(store.writes[0]?.toSorted((a, b) => a.revision - b.revision)).toEqual([ack(0, 2), ack(1, 9)]);
  });
});

describe('the convergence clock', () => {
  const made = (revision: number, hosts?: readonly number[]) => ({
    revision,
    made: { revision, cause: 'Test', time: 0, changes: [] },
    repeated: [],
    membersVersion: hosts === undefined ? 1 : revision,
    ...(hosts !== undefined && { members: hosts.map(hostOf) }),
  });

  test('knows the members it was told, and lets go of a network without any', () => {
    const board = new AckBoard(new Store(), Date.now, new MemoryLog());
    const clock = new ConvergenceClock(board, () => 1_000);
    clock.made(networkOf(0), made(1, [0, 1]));
    expect(clock.knownMembers(networkOf(0))).toBe(1);
    expect(clock.knownMembers(networkOf(1))).toBe(0);
    clock.made(networkOf(0), made(2, []));
    expect(clock.knownMembers(networkOf(0))).toBe(0);
  });
});
