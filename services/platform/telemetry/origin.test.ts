import { afterEach, expect, test } from 'vitest';
import { CALLER, factsOf, originOf } from './origin.ts';
import { type RecordedTelemetry, recordedTelemetry } from './spans.fixture.ts';
import { carrier, inSpan } from './spans.ts';

let recorded: RecordedTelemetry | undefined;
afterEach(async () => {
  await recorded?.[Symbol.asyncDispose]();
  recorded = undefined;
});

test('how a trace began is known in all that follows from it, also elsewhere', async () => {
  recorded = await recordedTelemetry();
  const stored = inSpan('agent.port-up', {}, () => inSpan('inner', {}, () => carrier()));
  inSpan('agent.apply', { parent: stored, attributes: { 'weft.host.id': 'host-b' } }, (span) => {
    expect(originOf(span)).toEqual({ name: 'agent.port-up', who: 'host host-a' });
  });
});

test('who called is more than where it was, and nothing breaks the header', async () => {
  recorded = await recordedTelemetry();
  const attributes = { [CALLER]: 'spiffe://mesh/é=1,|x' };
  inSpan('weft.topology.v1.TopologyService/CreatePort', { attributes }, (span) => {
    expect(originOf(span)).toEqual({
      name: 'weft.topology.v1.TopologyService/CreatePort',
      who: 'spiffe://mesh/__1__x',
    });
    expect(carrier()['tracestate']).toBe('weft=weft.topology.v1.TopologyService/CreatePort|spiffe://mesh/__1__x');
  });
});

test('a span tells its name and its cause; without telemetry nothing is known', async () => {
  recorded = await recordedTelemetry();
  inSpan('agent.audit', { attributes: { 'weft.cause': 'drift' } }, (span) => {
    expect(factsOf(span)).toEqual({ name: 'agent.audit', cause: 'drift' });
  });
  await recorded[Symbol.asyncDispose]();
  recorded = undefined;
  inSpan('agent.audit', {}, (span) => {
    expect(originOf(span)).toBeUndefined();
    expect(factsOf(span)).toEqual({ name: '', cause: '' });
  });
});
