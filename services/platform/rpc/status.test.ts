import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DomainError, type ErrorCode, invalidField, notFound } from '#platform/errors/domain-error.ts';
import { fromServiceError, toStatus } from './status.ts';

const trace = 'ab'.repeat(16);

const roundTrip = (thrown: unknown): DomainError =>
  fromServiceError(Object.assign(new Error('on the wire'), toStatus(thrown, trace)));

describe('a DomainError over gRPC', () => {
  const codes: readonly (readonly [ErrorCode, status])[] = [
    ['invalid', status.INVALID_ARGUMENT],
    ['not_found', status.NOT_FOUND],
    ['exists', status.ALREADY_EXISTS],
    ['conflict', status.ABORTED],
    ['precondition', status.FAILED_PRECONDITION],
    ['exhausted', status.RESOURCE_EXHAUSTED],
    ['denied', status.PERMISSION_DENIED],
    ['out_of_range', status.OUT_OF_RANGE],
    ['unavailable', status.UNAVAILABLE],
    ['deadline', status.DEADLINE_EXCEEDED],
  ];
  test.each(codes)('%s keeps its code, reason, message and details', (code, number) => {
    const error = new DomainError(code, 'SUBNET_FULL', 'subnet 7 has no free address', { details: { subnet: '7' } });
    expect(toStatus(error, trace).code).toBe(number);
    expect(roundTrip(error)).toMatchObject({
      code,
      reason: 'SUBNET_FULL',
      message: 'subnet 7 has no free address',
      details: { subnet: '7', trace_id: trace },
    });
  });

  test('keeps its field violations', () => {
    const error = invalidField('subnet.cidr', '10.0.0.1/8', 'has host bits set');
    expect(roundTrip(error).violations).toEqual(error.violations);
  });

  test('that tells of a missing thing names it', () => {
    expect(roundTrip(notFound('network', 'n1'))).toMatchObject({ code: 'not_found', details: { network: 'n1' } });
  });
});

describe('what the caller is not told', () => {
  test.each([
    ['an Error', new Error('password is hunter2')],
    ['a string', 'password is hunter2'],
    ['undefined', undefined],
    ['a defect', new DomainError('internal', 'BROKEN', 'password is hunter2', { details: { password: 'hunter2' } })],
  ])('%s becomes INTERNAL with a fixed text and the trace', (_, thrown) => {
    const sent = toStatus(thrown, trace);
    expect(sent).toMatchObject({ code: status.INTERNAL, details: `internal error, trace ${trace}` });
    expect(String(sent.metadata.get('grpc-status-details-bin')[0])).not.toContain('hunter2');
  });
});

test('any text makes a status that fits into headers and can be encoded', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 2_000 }).map((text) => `${text}\ud83d`);
  fc.assert(
    fc.property(anyText, fc.array(anyText, { maxLength: 40 }), (message, texts) => {
      const violations = texts.map((text) => ({ field: text, description: text }));
      const sent = toStatus(new DomainError('invalid', 'R', message, { violations }), trace);
      expect(() => encodeURI(sent.details)).not.toThrow();
      const bytes = sent.metadata.get('grpc-status-details-bin')[0];
      expect(bytes?.length).toBeLessThan(48_000);
      expect(roundTrip(new DomainError('invalid', 'R', message, { violations })).reason).toBe('R');
    }),
    { numRuns: 20 },
  );
});

test('an error of a server that sends no details, or broken ones, keeps its code', () => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
  const broken = { code: status.UNAUTHENTICATED, details: 'who are you', metadata };
  expect(fromServiceError(Object.assign(new Error('x'), broken))).toMatchObject({
    code: 'denied',
    reason: 'UNAUTHENTICATED',
    message: 'who are you',
  });
});
