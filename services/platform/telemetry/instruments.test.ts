import { expect, test } from 'vitest';
import { counter, gauge, histogram } from './instruments.ts';
import { telemetry } from './setup.ts';

const soon = (): AbortSignal => AbortSignal.timeout(2_000);

const scraped = async (work: () => void = () => undefined): Promise<string> => {
  const sdk = telemetry({ service: 's', instance: 'i', metrics: { listen: '127.0.0.1:0' } });
  await sdk.start(soon());
  try {
    work();
    const base = `http://${sdk.metricsAddress ?? ''}`;
    expect((await fetch(`${base}/else`)).status).toBe(404);
    return await (await fetch(`${base}/metrics`)).text();
  } finally {
    await sdk.stop(soon());
  }
};

test('a counter counts from its making, also before telemetry runs', async () => {
  const resyncs = counter('weft_test_resyncs', 'Resyncs by cause');
  resyncs.add(2, { cause: 'hole' });
  const text = await scraped(() => {
    resyncs.add(1, { cause: 'hole' });
    resyncs.add(5, { cause: 'digest' });
  });
  expect(text).toMatch(/^weft_test_resyncs_total\{cause="hole"\} 3$/m);
  expect(text).toMatch(/^weft_test_resyncs_total\{cause="digest"\} 5$/m);
  expect(text).toContain('# HELP weft_test_resyncs_total Resyncs by cause');
  expect(resyncs.value({ cause: 'hole' })).toBe(3);
});

test('a gauge forgets what is gone', async () => {
  const lag = gauge('weft_test_lag_revisions', 'Lag per host');
  lag.set(3, { host: 'a' });
  lag.set(4, { host: 'b' });
  lag.set(2, { host: 'a' });
  lag.forget({ host: 'b' });
  const text = await scraped();
  expect(text).toMatch(/^weft_test_lag_revisions\{host="a"\} 2$/m);
  expect(text).not.toContain('host="b"');
});

test('a histogram falls into its buckets, and one made late is reported too', async () => {
  const text = await scraped(() => {
    histogram('weft_test_apply_duration_seconds', 'Apply', [0.001, 0.01]).record(0.005, { driver: 'linuxbridge' });
  });
  expect(text).toMatch(/^weft_test_apply_duration_seconds_bucket\{driver="linuxbridge",le="0.001"\} 0$/m);
  expect(text).toMatch(/^weft_test_apply_duration_seconds_bucket\{driver="linuxbridge",le="0.01"\} 1$/m);
});

test('one name is one instrument, of one kind', () => {
  const drift = counter('weft_test_drift', 'Drift');
  expect(counter('weft_test_drift', 'Drift')).toBe(drift);
  expect(() => gauge('weft_test_drift', 'Drift')).toThrow('is a counter');
  expect(() => counter('drift', 'Drift')).toThrow('weft_lower_snake');
});

test('a metric with too many sets of attributes sums up the rest', () => {
  const wild = counter('weft_test_wild', 'By something unbounded');
  for (let index = 0; index < 3_000; index += 1) wild.add(1, { index });
  expect(wild.value({ index: 1_999 })).toBe(1);
  expect(wild.value({ index: 2_000 })).toBe(0);
  expect(wild.value({ 'otel.metric.overflow': true })).toBe(1_000);
});

test('an address that is taken is an error that names it', async () => {
  const first = telemetry({ service: 's', instance: 'i', metrics: { listen: '127.0.0.1:0' } });
  await first.start(soon());
  const listen = first.metricsAddress ?? '';
  const second = telemetry({ service: 's', instance: 'i', metrics: { listen } });
  await expect(second.start(soon())).rejects.toMatchObject({ code: 'precondition', reason: 'CANNOT_LISTEN' });
  await second.stop(soon());
  await first.stop(soon());
});
