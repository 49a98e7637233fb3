import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HostId } from '#platform/net/names.ts';
import { type Binding, boundTo, deviceDown, deviceUp, refused, unbound, withoutHost } from './binding.ts';

const [a, b, c] = ['a', 'b', 'c'] as readonly string[] as readonly [HostId, HostId, HostId];

describe('a binding', () => {
  test('follows a live migration: the destination takes over, the source leaving changes no place', () => {
    const booted = deviceUp(unbound, a);
    const migrating = deviceUp(booted, b);
    const migrated = deviceDown(migrating, a, booted.generation);
    expect([booted.hostId, migrating.hostId, migrated.hostId]).toEqual([a, b, b]);
    expect(migrated.generation).toBe(2);
    expect(migrated.claims).toEqual({ b: 2 });
  });

  test('goes back to the source when the destination gives up', () => {
    const migrating = deviceUp(deviceUp(unbound, a), b);
    expect(deviceDown(migrating, b, 2)).toMatchObject({ hostId: a, generation: 3, claims: { a: 1 } });
  });

  test('is not taken back by a host that was cut off and repeats what it said', () => {
    const evacuated = deviceUp(deviceUp(unbound, a), b);
    expect(deviceUp(evacuated, a)).toBe(evacuated);
  });

  test('goes once its fallback says that its device is gone, by the generation it knew', () => {
    const fallenBack = deviceDown(deviceUp(deviceUp(unbound, a), b), b, 2);
    expect(deviceDown(fallenBack, a, 1)).toEqual({ generation: 4, claims: {} });
  });

  test('is not undone by a late or doubled word about an earlier device', () => {
    const first = deviceUp(unbound, a);
    const again = deviceUp(deviceDown(first, a, first.generation), a);
    expect(again).toMatchObject({ hostId: a, generation: 3 });
    expect(deviceDown(again, a, first.generation)).toBe(again);
  });

  test('made by an operator ends with the device of that host, or by the operator', () => {
    const placed = boundTo(unbound, b);
    expect(placed).toEqual({ hostId: b, generation: 1, claims: {} });
    expect(deviceUp(placed, b)).toEqual({ hostId: b, generation: 1, claims: { b: 1 } });
    expect(deviceDown(placed, b, 1)).toEqual({ generation: 2, claims: {} });
    expect(boundTo(placed, undefined)).toEqual({ generation: 2, claims: {} });
  });

  test('ended by an operator is not taken up again by a repeated report, but by a new device', () => {
    const ended = boundTo(deviceUp(unbound, a), undefined);
    expect(deviceUp(ended, a)).toBe(ended);
    expect(deviceUp(deviceDown(ended, a, 2), a)).toMatchObject({ hostId: a, generation: 3 });
  });

  test('bears the refusal of its host until that host succeeds or the port moves', () => {
    const bound = deviceUp(unbound, a);
    const failed = refused(bound, a, 1, 'no such physical network');
    expect(failed.failure).toBe('no such physical network');
    expect(refused(failed, a, 1, 'no such physical network')).toBe(failed);
    expect(refused(bound, a, 0, 'late')).toBe(bound);
    expect(refused(bound, b, 1, 'elsewhere')).toBe(bound);
    expect(deviceUp(failed, a)).toEqual(bound);
    expect(deviceUp(failed, b)).not.toHaveProperty('failure');
  });
});

/** One host's side: sends a word at a time, each any number of times, and repeats old "down"s as late as it likes. */
interface World {
  readonly binding: Binding;
  /** Hosts with a device, and when they first reported it. */
  readonly devices: ReadonlyMap<HostId, number>;
  /** The generation each host heard last. */
  readonly known: ReadonlyMap<HostId, number>;
  readonly sentDowns: readonly (readonly [HostId, number])[];
}

type Step =
  | { readonly kind: 'plug' | 'unplug' | 'repeat'; readonly host: HostId }
  | { readonly kind: 'late'; readonly pick: number };

const run = (world: World, step: Step, at: number): World => {
  if (step.kind === 'late') {
    const late = world.sentDowns[step.pick % Math.max(1, world.sentDowns.length)];
    if (late === undefined) return world;
    return { ...world, binding: deviceDown(world.binding, ...late) };
  }
  const { host } = step;
  const has = world.devices.has(host);
  if (step.kind === 'unplug') {
    if (!has) return world;
    const word = [host, world.known.get(host) ?? 0] as const;
    const devices = new Map(world.devices);
    devices.delete(host);
    return { ...world, devices, binding: deviceDown(world.binding, ...word), sentDowns: [...world.sentDowns, word] };
  }
  if (step.kind === 'repeat' && !has) return world;
  if (step.kind === 'plug' && has) return world;
  const binding = deviceUp(world.binding, host);
  return {
    ...world,
    binding,
    devices: has ? world.devices : new Map([...world.devices, [host, at]]),
    known: new Map([...world.known, [host, binding.generation]]),
  };
};

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('plug' as const, 'unplug' as const, 'repeat' as const),
      host: fc.constantFrom(a, b, c),
    }),
    fc.record({ kind: fc.constant('late' as const), pick: fc.nat(50) }),
  ),
  { maxLength: 60 },
);

const nowhere: World = { binding: unbound, devices: new Map(), known: new Map(), sentDowns: [] };

describe('over any schedule of three hosts, doubled and late words included', () => {
  test('the port is at the host whose device appeared last, and nowhere when there is no device', () => {
    fc.assert(
      fc.property(steps, (schedule) => {
        const { binding, devices } = schedule.reduce(run, nowhere);
        const newest = [...devices].sort(([, x], [, y]) => y - x)[0]?.[0];
        expect(binding.hostId).toBe(newest);
        expect(Object.keys(binding.claims).sort()).toEqual([...devices.keys()].sort());
      }),
      { numRuns: 2_000 },
    );
  });

  test('the generation grows by one with each change of place, and with nothing else', () => {
    fc.assert(
      fc.property(steps, (schedule) => {
        let world = nowhere;
        schedule.forEach((step, at) => {
          const next = run(world, step, at);
          const moved = next.binding.hostId !== world.binding.hostId;
          expect(next.binding.generation).toBe(world.binding.generation + (moved ? 1 : 0));
          world = next;
        });
      }),
      { numRuns: 1_000 },
    );
  });

  test('saying the same again changes nothing', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(a, b, c), (schedule, host) => {
        const { binding } = schedule.reduce(run, nowhere);
        const up = deviceUp(binding, host);
        expect(deviceUp(up, host)).toBe(up);
        const down = deviceDown(binding, host, binding.generation);
        expect(deviceDown(down, host, binding.generation)).toBe(down);
      }),
    );
  });

  test('operators and deleted hosts in between never make two claims of one generation or a generation that falls', () => {
    const words = fc.array(
      fc.tuple(fc.constantFrom('up', 'down', 'bind', 'unbind', 'forget'), fc.constantFrom(a, b, c), fc.nat(12)),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(words, (schedule) => {
        let binding = unbound;
        for (const [word, host, generation] of schedule) {
          const before = binding;
          if (word === 'up') binding = deviceUp(binding, host);
          if (word === 'down') binding = deviceDown(binding, host, generation);
          if (word === 'bind') binding = boundTo(binding, host);
          if (word === 'unbind') binding = boundTo(binding, undefined);
          if (word === 'forget') binding = withoutHost(binding, host);
          const claims = Object.values(binding.claims);
          expect(new Set(claims).size).toBe(claims.length);
          expect(Math.max(0, ...claims)).toBeLessThanOrEqual(binding.generation);
          expect(binding.generation - before.generation).toBe(binding.hostId === before.hostId ? 0 : 1);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
