import { describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import type { Component } from './component.ts';
import { Lifecycle } from './lifecycle.ts';
import type { SlowComponent } from './lifecycle.ts';

const never = new AbortController().signal;

/** Components that write down what happens to them. */
const journal = () => {
  const events: string[] = [];
  const component = (name: string, overrides: Partial<Pick<Component, 'start' | 'stop'>> = {}): Component => ({
    name,
    start: async (signal) => {
      events.push(`start ${name}`);
      await overrides.start?.(signal);
    },
    stop: async (signal) => {
      events.push(`stop ${name}`);
      await overrides.stop?.(signal);
    },
  });
  return { events, component };
};

const forever = (): Promise<void> => new Promise(() => undefined);
const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });

test('starts in order and stops in reverse at the end of the scope', async () => {
  const { events, component } = journal();
  {
    await using lifecycle = new Lifecycle([component('a'), component('b')], { graceMs: 100 });
    await lifecycle.start(never);
    events.push('up');
  }
  expect(events).toEqual(['start a', 'start b', 'up', 'stop b', 'stop a']);
});

test('each starts only once those before it are useful', async () => {
  const { events, component } = journal();
  const slow = component('slow', {
    start: async () => {
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      events.push('slow is up');
    },
  });
  await using lifecycle = new Lifecycle([slow, component('next')], { graceMs: 100 });
  await lifecycle.start(never);
  expect(events).toEqual(['start slow', 'slow is up', 'start next']);
});

test('a failed start stops those that had started, and is what is reported', async () => {
  await using _ = leakCheck();
  const { events, component } = journal();
  const bad = component('bad', { start: () => Promise.reject(new Error('no port')) });
  const ill = component('ill', { stop: () => Promise.reject(new Error('ill')) });
  const lifecycle = new Lifecycle([component('a'), ill, bad, component('z')], { graceMs: 100 });
  await expect(lifecycle.start(never)).rejects.toThrow('no port');
  expect(events).toEqual(['start a', 'start ill', 'start bad', 'stop ill', 'stop a']);
});

test('an abort in the middle of starting unwinds too', async () => {
  const { events, component } = journal();
  const controller = new AbortController();
  const stuck = component('stuck', { start: untilAborted });
  const lifecycle = new Lifecycle([component('a'), stuck, component('z')], { graceMs: 100 });
  const started = lifecycle.start(controller.signal);
  await eventually('the start hangs', () => events.includes('start stuck'));
  controller.abort(new Error('told to stop'));
  await expect(started).rejects.toThrow('told to stop');
  expect(events).toEqual(['start a', 'start stuck', 'stop a']);
});

test('a component that finishes starting after the abort is stopped like the others', async () => {
  const { events, component } = journal();
  const stubborn = component('stubborn', {
    start: () =>
      new Promise((resolve) => {
        setTimeout(resolve, 10);
      }),
  });
  const lifecycle = new Lifecycle([component('a'), stubborn, component('z')], { graceMs: 1_000 });
  const started = lifecycle.start(never);
  const end = expect(started).rejects.toMatchObject({ reason: 'STOPPING' });
  await eventually('it is starting', () => events.includes('start stubborn'));
  await lifecycle.stop(never);
  await end;
  expect(events).toEqual(['start a', 'start stubborn', 'stop stubborn', 'stop a']);
});

test('the start signal is over once all have started', async () => {
  let kept: AbortSignal | undefined;
  const { component } = journal();
  const keeper = component('keeper', {
    start: (signal) => {
      kept = signal;
      return Promise.resolve();
    },
  });
  await using lifecycle = new Lifecycle([keeper], { graceMs: 100 });
  await lifecycle.start(never);
  expect(kept?.aborted).toBe(true);
});

test('starts once', async () => {
  await using lifecycle = new Lifecycle([], { graceMs: 100 });
  await lifecycle.start(never);
  await expect(lifecycle.start(never)).rejects.toThrow('starts once');
});

describe('stopping', () => {
  test('gives every component its turn, whatever happens to one, and says what happened', async () => {
    const { events, component } = journal();
    const bad = component('bad', { stop: () => Promise.reject(new Error('broken pipe')) });
    const thrower = component('thrower', {
      stop: () => {
        throw new Error('thrown at once');
      },
    });
    const stuck = component('stuck', { stop: forever });
    const lifecycle = new Lifecycle([component('a'), bad, thrower, stuck], { graceMs: 10 });
    await lifecycle.start(never);
    await expect(lifecycle.stop(never)).rejects.toThrow(
      'stuck did not stop: still running after 10 ms; thrower did not stop: thrown at once; bad did not stop: broken pipe',
    );
    expect(events.slice(4)).toEqual(['stop stuck', 'stop thrower', 'stop bad', 'stop a']);
  });

  test('happens once, however often it is asked for', async () => {
    const { events, component } = journal();
    const lifecycle = new Lifecycle([component('a')], { graceMs: 100 });
    await lifecycle.start(never);
    await Promise.all([lifecycle.stop(never), lifecycle.stop(never)]);
    await lifecycle.stop(never);
    expect(events).toEqual(['start a', 'stop a']);
  });

  test('with an aborted signal still tells every component', async () => {
    const { events, component } = journal();
    const lifecycle = new Lifecycle([component('a'), component('b', { stop: forever })], { graceMs: 60_000 });
    await lifecycle.start(never);
    await expect(lifecycle.stop(AbortSignal.abort(new Error('hurry')))).rejects.toThrow('b did not stop: hurry');
    expect(events.slice(2)).toEqual(['stop b', 'stop a']);
  });

  test('of what never started does nothing', async () => {
    const { events, component } = journal();
    const lifecycle = new Lifecycle([component('a')], { graceMs: 100 });
    await lifecycle.stop(never);
    await expect(lifecycle.start(never)).rejects.toThrow();
    expect(events).toEqual([]);
  });
});

test('reports who is slow to start or to stop, while it is', async () => {
  const { component } = journal();
  const slow: SlowComponent[] = [];
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
  const lifecycle = new Lifecycle([component('quick'), component('slow', { start: pause, stop: pause })], {
    graceMs: 1_000,
    slowMs: 10,
    onSlow: (which) => slow.push(which),
  });
  await lifecycle.start(never);
  await lifecycle.stop(never);
  expect(slow).toEqual([
    { component: 'slow', phase: 'start', ms: 10 },
    { component: 'slow', phase: 'stop', ms: 10 },
  ]);
});
