import { expect, test } from 'vitest';
import { Namespaces } from './namespaces.ts';
import { bootGuest, entryOf, facts, intentOf, localPort, port, reconcile, twoHosts } from './overlay.ts';

test.each([4, 6] as const)(
  'guests on two hosts reach each other over an IPv%i underlay, and a second plan is empty',
  async (version) => {
    await using namespaces = new Namespaces();
    const [a, b] = await twoHosts(namespaces, version);
    await using _a = a;
    await using _b = b;
    const network = facts(1);
    const [one, two] = [port(1), port(2)];
    const [guestOne, guestTwo] = [await bootGuest(namespaces, a, one), await bootGuest(namespaces, b, two)];
    const entries = [entryOf(one, a.identity.vtep), entryOf(two, b.identity.vtep)];
    const intents = [
      [a, intentOf(a.identity, network, [localPort(one)], entries)],
      [b, intentOf(b.identity, network, [localPort(two)], entries)],
    ] as const;

    for (const [host, intent] of intents) expect((await reconcile(host, intent)).length).toBeGreaterThan(5);
    for (const [host, intent] of intents) expect(await reconcile(host, intent)).toEqual([]);

    for (const [guest, other] of [
      [guestOne, two],
      [guestTwo, one],
    ] as const) {
      for (const ip of other.ips) {
        const said = await guest.run('ping', '-c', '2', '-i', '0.05', '-W', '1', ip);
        expect(said.stdout, ip).toContain(' 0% packet loss');
      }
    }
    // The largest packet that may not be cut, there and back.
    const full = await guestOne.run('ping', '-c', '1', '-W', '1', '-M', 'do', '-s', '1422', two.ips[0] ?? '');
    expect(full.stdout).toContain(' 0% packet loss');
  },
);
