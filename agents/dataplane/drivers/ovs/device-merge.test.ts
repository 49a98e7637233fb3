import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LinkEvent } from '../../model/host.ts';
import { DeviceMerge } from './device-merge.ts';
import type { SwitchDevice } from './device-merge.ts';

const BRIDGE = 'br-int';
const TAP = 'tap00000001-00';
const PORT = '00000001-0000-4000-8000-000000000000';

const link = (index: number, kind: LinkEvent['kind'] = 'present'): LinkEvent => ({
  kind,
  name: TAP,
  index,
  mac: 'fe:16:3e:00:00:01',
});
const row = (uuid: string, more: Partial<SwitchDevice> = {}): SwitchDevice => ({
  uuid,
  isOurs: false,
  isBroken: false,
  portId: PORT,
  mac: 'fa:16:3e:00:00:01',
  vmId: 'vm',
  ...more,
});

/** Who hears what a merge tells, and knows of nothing else. */
class Listener {
  readonly links = new Map<string, LinkEvent>();
  readonly heard: string[] = [];

  take(events: readonly LinkEvent[]): void {
    for (const event of events) {
      this.heard.push(`${event.kind === 'gone' ? '-' : '+'}${event.name}`);
      const known = this.links.get(event.name);
      if (event.kind === 'gone') {
        // An end is told of what was told before, or it is not taken for one.
        expect(known?.index).toBe(event.index);
        this.links.delete(event.name);
      } else this.links.set(event.name, event);
    }
  }
}

const start = (): { readonly merge: DeviceMerge; readonly listener: Listener } => {
  const merge = new DeviceMerge(BRIDGE);
  const listener = new Listener();
  listener.take(merge.listed());
  return { merge, listener };
};

const ports = (device?: SwitchDevice): ReadonlyMap<string, SwitchDevice> =>
  new Map(device === undefined ? [] : [[TAP, device]]);

/** A plug from its beginning to its end, or without one, as hypervisors go about it. */
interface Plug {
  readonly tapFirst: boolean;
  readonly end: 'port-first' | 'tap-first' | 'none' | 'tap-only';
}

interface Step {
  readonly of: 'kernel' | 'switch';
  readonly run: (merge: DeviceMerge) => readonly LinkEvent[];
}

/** What kernel and switch tell of these plugs, one after the other, each in its own order; and what is there in the end. */
const historyOf = (plugs: readonly Plug[]): { readonly steps: readonly Step[]; readonly there: boolean } => {
  const steps: Step[] = [];
  const kernel = (event: LinkEvent): Step => ({ of: 'kernel', run: (merge) => merge.link(event) });
  const database = (device?: SwitchDevice): Step => ({ of: 'switch', run: (merge) => merge.ports(ports(device)) });
  let there = false;
  for (const [at, { tapFirst, end }] of plugs.entries()) {
    const uuid = `row-${at.toString()}`;
    const index = at + 5;
    const tap = kernel(link(index));
    // ovs-vswitchd writes to the row once it has opened the device: another object with the same content.
    const plug = [database(row(uuid)), database(row(uuid))];
    steps.push(...(tapFirst ? [tap, ...plug] : [...plug, tap]));
    there = end === 'none';
    if (there) break;
    const left = { isBroken: true };
    const unplug = database();
    const gone = kernel(link(index, 'gone'));
    if (end === 'port-first') steps.push(unplug, gone);
    else if (end === 'tap-first') steps.push(gone, database(row(uuid, left)), unplug);
    else steps.push(gone, database(row(uuid, left)));
  }
  return { steps, there };
};

/** All of both in any order that keeps that of each. */
const interleave = (steps: readonly Step[], choices: readonly boolean[]): readonly Step[] => {
  const kernel = steps.filter(({ of }) => of === 'kernel');
  const database = steps.filter(({ of }) => of === 'switch');
  const mixed: Step[] = [];
  for (let at = 0; kernel.length + database.length > 0; at += 1) {
    const next =
      choices[at % choices.length] === true
        ? (kernel.shift() ?? database.shift())
        : (database.shift() ?? kernel.shift());
    if (next !== undefined) mixed.push(next);
  }
  return mixed;
};

const arbitraryPlugs = fc.array(
  fc.record<Plug>({
    tapFirst: fc.boolean(),
    end: fc.constantFrom('port-first', 'tap-first', 'tap-only', 'none'),
  }),
  { minLength: 1, maxLength: 4 },
);

test('whichever is told first, a tap or its port, what is there in the end is the same', () => {
  fc.assert(
    fc.property(arbitraryPlugs, fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), (plugs, choices) => {
      const { merge, listener } = start();
      const { steps, there } = historyOf(plugs);
      for (const { run } of interleave(steps, choices)) listener.take(run(merge));
      const known = listener.links.get(TAP);
      expect(known !== undefined).toBe(there);
      expect(merge.has(TAP)).toBe(there);
      if (known === undefined) return;
      expect(known).toMatchObject({ master: BRIDGE, portId: PORT, mac: 'fa:16:3e:00:00:01', vmId: 'vm' });
    }),
    { numRuns: 2_000 },
  );
});

test('an agent that starts in the middle of it ends up knowing the same', () => {
  fc.assert(
    fc.property(arbitraryPlugs, fc.nat({ max: 12 }), fc.boolean(), (plugs, cut, switchFirst) => {
      const { steps, there } = historyOf(plugs);
      const [past, future] = [steps.slice(0, cut), steps.slice(cut)];
      // What was is told as it is now: the last word of each.
      const lastOf = (of: Step['of']): readonly Step[] => past.filter((step) => step.of === of).slice(-1);
      const merge = new DeviceMerge(BRIDGE);
      const listener = new Listener();
      const first = switchFirst
        ? [...lastOf('switch'), ...lastOf('kernel')]
        : [...lastOf('kernel'), ...lastOf('switch')];
      for (const { run } of first) listener.take(run(merge));
      listener.take(merge.listed());
      for (const { run } of future) listener.take(run(merge));
      expect(listener.links.has(TAP)).toBe(there);
    }),
    { numRuns: 1_000 },
  );
});

describe('a device', () => {
  test('that is plugged is told once, whatever is written to its row by the switch', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.link({ ...link(5), master: 'ovs-system' }));
    // When the tap appears, and when it is known what it is for.
    expect(listener.heard).toEqual([`+${TAP}`, `+${TAP}`]);
  });

  test('whose row comes before it is told of at once, and not again when it comes', () => {
    const { merge, listener } = start();
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.link(link(5)));
    expect(listener.heard).toEqual([`+${TAP}`]);
  });

  test('taken out of the bridge by who put it there is gone, though the kernel still has it', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.ports(ports()));
    expect(listener.links.size).toBe(0);
    // Nor is it back because something else about it changes.
    listener.take(merge.link({ ...link(5), mac: 'fe:16:3e:00:00:02' }));
    expect(listener.links.size).toBe(0);
    listener.take(merge.ports(ports(row('b'))));
    expect(listener.links.get(TAP)).toMatchObject({ portId: PORT });
  });

  test('made anew under its name after it was taken out is another: nobody has taken that one out', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.ports(ports()));
    listener.take(merge.link(link(5, 'gone')));
    listener.take(merge.link(link(6)));
    expect(listener.links.get(TAP)?.index).toBe(6);
  });

  test('plugged anew between two looks at the database ends and begins', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.heard.length = 0;
    listener.take(merge.ports(ports(row('b', { vmId: 'other' }))));
    expect(listener.heard).toEqual([`-${TAP}`, `+${TAP}`]);
    expect(listener.links.get(TAP)).toMatchObject({ vmId: 'other' });
  });

  test('that the agent itself has put into the bridge stays what it was, and goes with the kernel alone', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a', { isOurs: true }))));
    listener.take(merge.ports(ports(row('b', { isOurs: true }))));
    listener.take(merge.ports(ports()));
    expect(listener.heard).not.toContain(`-${TAP}`);
    listener.take(merge.ports(ports(row('c', { isOurs: true }))));
    listener.take(merge.link(link(5, 'gone')));
    expect(listener.links.size).toBe(0);
    // The row that is left of it says nothing.
    listener.take(merge.ports(ports(row('c', { isOurs: true, isBroken: true }))));
    expect(listener.links.size).toBe(0);
  });

  test('that goes while its port stays is gone at once, and back with the next of its name', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.link(link(5, 'gone')));
    expect(listener.links.size).toBe(0);
    listener.take(merge.ports(ports(row('a', { vmId: 'vm-2' }))));
    expect(listener.links.size).toBe(0);
    listener.take(merge.link(link(6)));
    expect(listener.links.get(TAP)).toMatchObject({ index: 6, portId: PORT, vmId: 'vm-2' });
  });

  test('that goes with the whole bridge is still there, to be put back', () => {
    const { merge, listener } = start();
    listener.take(merge.link(link(5)));
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.ports(ports(), true));
    expect(listener.links.get(TAP)).toMatchObject({ index: 5 });
    expect(listener.links.get(TAP)?.master).toBeUndefined();
    expect(listener.heard).not.toContain(`-${TAP}`);
  });

  test('of a row that an earlier run left behind is not there', () => {
    const merge = new DeviceMerge(BRIDGE);
    const listener = new Listener();
    listener.take(merge.ports(ports(row('a', { isBroken: true }))));
    listener.take(merge.listed());
    expect(listener.heard).toEqual([]);
    expect(merge.has(TAP)).toBe(false);
  });

  test('is not taken for one to come before the kernel has told of all it has', () => {
    const merge = new DeviceMerge(BRIDGE);
    const listener = new Listener();
    listener.take(merge.ports(ports(row('a'))));
    expect(listener.heard).toEqual([]);
    listener.take(merge.link(link(5)));
    listener.take(merge.listed());
    expect(listener.links.get(TAP)).toMatchObject({ index: 5, master: BRIDGE, portId: PORT });
    expect(listener.heard).toEqual([`+${TAP}`]);
  });

  test('of an internal port, which the switch makes, comes and goes with it', () => {
    const { merge, listener } = start();
    listener.take(merge.ports(ports(row('a'))));
    listener.take(merge.link(link(7)));
    listener.take(merge.ports(ports()));
    expect(listener.links.size).toBe(0);
    listener.take(merge.link(link(7, 'gone')));
    expect(listener.heard).toEqual([`+${TAP}`, `-${TAP}`]);
  });
});
