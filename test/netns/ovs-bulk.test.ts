import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startOvs } from '../support/ovs.ts';
import { startOvsHost } from '../support/ovs-host.ts';
import { temporaryDirectory } from '../support/real-servers.ts';
import { allDone, entryOf, facts, intentOf, port, signal, vtep } from './overlay.ts';

const ENTRIES = 10_000;
const ROUNDS = 4;

test('ten thousand entries are written in about the time of the flows alone, read back, and found right', async ({
  annotate,
}) => {
  await using ovs = await startOvs({ name: 'wov-bulk' });
  const identity = { hostId: 'host-a', vtep: vtep('host-a', '192.0.2.1') };
  await using host = await startOvsHost(ovs, identity);
  const vteps = Array.from({ length: 10 }, (_, n) => vtep(`host-${n.toString()}`, `192.0.2.${(n + 2).toString()}`));
  const entries = Array.from({ length: ENTRIES }, (_, n) => {
    const { ips, ...rest } = port(n + 1);
    return entryOf({ ...rest, ips: ips.slice(0, 1) }, vteps[n % vteps.length] ?? vtep('', '192.0.2.2'));
  });
  const network = facts(1);
  const empty = intentOf(identity, network, [], []);
  const full = intentOf(identity, network, [], entries);
  const change = {
    ports: new Map(entries.map((entry) => [entry.portId, { before: {}, after: { entry } }])),
    floodAdded: vteps,
    floodRemoved: [],
  };
  await using folder = await temporaryDirectory();
  const file = path.join(folder.path, 'flows');
  const figures: Record<'written' | 'floor' | 'looked' | 'taken', number[]> = {
    ...{ written: [], floor: [], looked: [], taken: [] },
  };
  const timed = async <T>(into: number[], work: () => T | Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    into.push(performance.now() - began);
    return result;
  };

  await host.reconcile(empty);
  for (let round = 0; round < ROUNDS; round += 1) {
    await timed(figures.written, async () => {
      allDone(await host.dataplane.apply(host.dataplane.planChange(identity, full, change), signal));
    });
    expect(await timed(figures.looked, async () => host.plan(full))).toEqual([]);
    // The floor: the same flows, by the switch's own tool, in one bundle.
    writeFileSync(
      file,
      await ovs.ofctl('-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-int', 'cookie=0x7765667400000047/-1'),
    );
    const flows = execFileSync('sed', ['-n', '/cookie/p', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
    writeFileSync(file, flows);
    expect(flows.trim().split('\n').length).toBeGreaterThan(2 * ENTRIES);
    await timed(figures.taken, async () => host.reconcile(empty));
    await timed(figures.floor, async () => ovs.ofctl('-O', 'OpenFlow15', '--bundle', 'add-flows', 'br-int', file));
    await host.reconcile(empty);
    expect(await host.plan(empty)).toEqual([]);
  }
  const best = Object.fromEntries(Object.entries(figures).map(([name, all]) => [name, Math.round(Math.min(...all))]));
  await annotate(`10,000 entries (20,000 flows), best of ${ROUNDS.toString()}, ms: ${JSON.stringify(best)}`);
  // The machine is shared: the best of the rounds is what the code can do.
  const floor = best['floor'] ?? 0;
  expect(best['written']).toBeLessThan(3 * floor);
  // A look and what it says: each flow is taken away by its match, which must not make the switch look through all others.
  expect(best['taken']).toBeLessThan(8 * floor);
});
