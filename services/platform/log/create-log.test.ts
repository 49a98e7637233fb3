import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { createLog } from './create-log.ts';
import type { LogLevel } from './log.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-log-'));
});

afterAll(async () => {
  context.disable();
  await rm(folder, { recursive: true });
});

const fileLog = (name: string, level: LogLevel) => {
  const path = join(folder, 'logs', name);
  const lines = async (): Promise<readonly Record<string, unknown>[]> =>
    (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log: createLog({ name: 'weft-test', level, destination: { path } }), lines };
};

test('writes a line of JSON with the process, the fields and those of its parents', async () => {
  const { log, lines } = fileLog('fields', 'info');
  log.child({ host: 'h1' }).info({ revision: 7 }, 'converged');
  const [line] = await lines();
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    name: 'weft-test',
    pid: process.pid,
    host: 'h1',
    revision: 7,
    msg: 'converged',
  });
});

test('leaves out what is below its level', async () => {
  const { log, lines } = fileLog('level', 'warn');
  log.debug({}, 'a');
  log.info({}, 'b');
  log.warn({}, 'c');
  log.error({}, 'd');
  expect((await lines()).map((line) => line['msg'])).toEqual(['c', 'd']);
});

test('names the active span, and none where there is none', async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const { log, lines } = fileLog('span', 'info');
  const span = trace.wrapSpanContext({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
  });
  context.with(trace.setSpan(context.active(), span), () => {
    log.child({ host: 'h1' }).info({}, 'inside');
  });
  log.info({}, 'outside');
  const [inside, outside] = await lines();
  expect(inside).toMatchObject({
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    span_id: 'b7ad6b7169203331',
    host: 'h1',
  });
  expect(outside).not.toHaveProperty('trace_id');
});

test('tells what a DomainError says, and where any other error was thrown', async () => {
  const { log, lines } = fileLog('errors', 'info');
  const cause = new Error('ECONNREFUSED');
  log.warn({ err: new DomainError('unavailable', 'REDIS_AWAY', 'redis is away', { cause }) }, 'failed');
  log.error({ err: new TypeError('x is not a function') }, 'failed');
  const [known, unknown] = await lines();
  expect(known?.['err']).toMatchObject({
    code: 'unavailable',
    reason: 'REDIS_AWAY',
    message: 'redis is away',
    cause: { message: 'ECONNREFUSED' },
  });
  expect(known?.['err']).not.toHaveProperty('stack');
  expect(unknown?.['err']).toMatchObject({
    type: 'TypeError',
    stack: expect.stringContaining('create-log.test') as string,
  });
});
