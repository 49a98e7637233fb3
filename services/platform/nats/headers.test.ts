import { headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { fromNatsHeaders, toNatsHeaders } from './headers.ts';

test('headers come back as they went, with names in lower case', () => {
  expect(fromNatsHeaders(toNatsHeaders({ traceparent: '00-a-b-01', 'Weft-Cause': 'bind' }))).toEqual({
    traceparent: '00-a-b-01',
    'weft-cause': 'bind',
  });
});

test('no headers cost none', () => {
  expect(toNatsHeaders({})).toBeUndefined();
  expect(fromNatsHeaders(undefined)).toEqual({});
});

test('of a repeated header the last value counts', () => {
  const repeated = headers();
  repeated.append('a', '1');
  repeated.append('a', '2');
  expect(fromNatsHeaders(repeated)).toEqual({ a: '2' });
});
