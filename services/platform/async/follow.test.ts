import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { follow } from './follow.ts';

test('aborts with the first parent that does, and with its reason', () => {
  const call = new AbortController();
  const server = new AbortController();
  using linked = follow(call.signal, server.signal);
  expect(linked.signal.aborted).toBe(false);
  server.abort('stopping');
  call.abort('too late');
  expect(linked.signal.reason).toBe('stopping');
});

test('is aborted from the start when a parent is', () => {
  const parent = new AbortController();
  using linked = follow(parent.signal, AbortSignal.abort('before'));
  expect(linked.signal.reason).toBe('before');
  parent.abort('after');
  expect(linked.signal.reason).toBe('before');
});

test('leaves nothing on its parents once disposed, and no longer follows them', () => {
  const parent = new AbortController();
  const linked = follow(parent.signal);
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1);
  linked[Symbol.dispose]();
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
  parent.abort();
  expect(linked.signal.aborted).toBe(false);
});

test('can be aborted by itself without its parents', () => {
  const parent = new AbortController();
  using linked = follow(parent.signal);
  linked.abort('enough');
  expect(linked.signal.reason).toBe('enough');
  expect(parent.signal.aborted).toBe(false);
});
