import { expect, test } from 'vitest';
import type { NetworkChange, NetworkIntent, PortView } from '../../agents/dataplane/model/intent.ts';
import { Namespaces } from './namespaces.ts';
import {
  allDone,
  bootGuest,
  entryOf,
  facts,
  intentOf,
  localPort,
  port,
  reconcile,
  signal,
  twoHosts,
} from './overlay.ts';

test('a port that moves between hosts, there and back, loses no packet on the way', async () => {
  await using namespaces = new Namespaces();
  const [a, b] = await twoHosts(namespaces);
  await using _a = a;
  await using _b = b;
  const network = facts(1);
  const [watcher, mover] = [port(1), port(2)];
  const guest = await bootGuest(namespaces, a, watcher);
  // The guest as it runs on both sides in the last moment of a live migration: whoever gets the packet answers.
  await bootGuest(namespaces, a, mover);
  await bootGuest(namespaces, b, mover);

  const at = (where: 'a' | 'b', generation: bigint): NetworkIntent =>
    intentOf(
      a.identity,
      network,
      [localPort(watcher), localPort(mover, where === 'a' ? generation : generation - 1n)],
      [entryOf(watcher, a.identity.vtep), entryOf(mover, (where === 'a' ? a : b).identity.vtep, generation)],
    );
  await reconcile(
    b,
    intentOf(
      b.identity,
      network,
      [localPort(mover)],
      [entryOf(watcher, a.identity.vtep), entryOf(mover, b.identity.vtep)],
    ),
  );
  await reconcile(a, at('a', 1n));

  // One after the other as fast as they are answered: what is lost for a microsecond shows.
  const ping = guest.run('ping', '-q', '-i', '0.0002', '-c', '100000', '-W', '1', mover.ips[0] ?? '');
  let current = at('a', 1n);
  for (let generation = 2n; generation < 40n; generation += 1n) {
    const next = at(generation % 2n === 0n ? 'b' : 'a', generation);
    const view = (intent: NetworkIntent): PortView => {
      const entry = intent.entries.get(mover.portId);
      const local = intent.ports.get(mover.portId);
      return { ...(entry && { entry }), ...(local && { local }) };
    };
    const present = (intent: NetworkIntent): boolean => intent.remoteVteps.size > 0;
    const change: NetworkChange = {
      ports: new Map([[mover.portId, { before: view(current), after: view(next) }]]),
      floodAdded: present(next) && !present(current) ? [b.identity.vtep] : [],
      floodRemoved: present(current) && !present(next) ? [b.identity.vtep] : [],
    };
    allDone(await a.dataplane.apply(a.dataplane.planChange(a.identity, next, change), signal));
    current = next;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  expect((await ping).stdout).toContain('100000 packets transmitted, 100000 received, 0% packet loss');
  expect(await reconcile(a, current)).toEqual([]);
});
