import { isDeepStrictEqual } from 'node:util';
import { BadRequest, ErrorInfo, RequestInfo } from '#proto/google/rpc/error_details.ts';

/** Whether two answers say the same, but for what is new each time: moments, durations, traces, tokens. */
export const sameAnswer = (language: string, shown: string, given: string): boolean =>
  language === 'json'
    ? isDeepStrictEqual(lasting(documentsOf(shown)), lasting(documentsOf(given)))
    : shown.trim() === given.trim();

/** An answer as the document shows it: error details, which `buf curl` prints as bytes, are written out. */
export const readable = (text: string): string => {
  const documents = documentsOf(text);
  return documents.map((one) => JSON.stringify(decoded(one), undefined, 2)).join('\n');
};

/** The JSON texts that stand in a text one after the other, as a stream is printed. */
const documentsOf = (text: string): readonly unknown[] => {
  const documents: unknown[] = [];
  let part = '';
  for (const line of text.split('\n')) {
    part += `${line}\n`;
    if (!/^[}\]]|^\{\}/.test(line)) continue;
    documents.push(JSON.parse(part));
    part = '';
  }
  if (part.trim() !== '') throw new Error(`is no JSON: ${part.trim().slice(0, 200)}`);
  return documents;
};

const MOMENT = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
/** Members whose value is another one each time. */
const PASSING = new Set(['traceId', 'trace_id', 'requestId', 'epoch', 'resumeToken', 'elapsedMs', 'operationCount']);

const lasting = (value: unknown, key = ''): unknown => {
  if (PASSING.has(key)) return `<${key}>`;
  if (typeof value === 'string') return MOMENT.test(value) ? '<moment>' : value;
  if (Array.isArray(value)) return value.map((item) => lasting(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, lasting(item, name)]));
};

const decoded = (value: unknown): unknown => {
  if (!isObject(value) || !Array.isArray(value['details'])) return value;
  return { ...value, details: value['details'].map(decodedDetail) };
};

const decodedDetail = (detail: unknown): unknown => {
  if (!isObject(detail)) return detail;
  const { type, value } = detail;
  if (typeof type !== 'string' || typeof value !== 'string') return detail;
  const bytes = Buffer.from(value, 'base64');
  switch (type) {
    case 'google.rpc.BadRequest':
      return {
        type,
        fieldViolations: BadRequest.decode(bytes).field_violations.map(({ field, description }) => ({
          field,
          description,
        })),
      };
    case 'google.rpc.ErrorInfo': {
      const { reason, domain, metadata } = ErrorInfo.decode(bytes);
      return { type, reason, domain, metadata };
    }
    case 'google.rpc.RequestInfo':
      return { type, requestId: RequestInfo.decode(bytes).request_id };
    default:
      return detail;
  }
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
