import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { MethodShape } from '#platform/rpc/definition.ts';
import { labEndpoints } from '../../../cli/client/endpoints.ts';
import { OverlayLab } from '../../system/overlay-lab.ts';
import { hostileMessage, noise } from './hostile.ts';
import { Protos } from './protos.ts';
import { RawCaller, type RawOutcome } from './raw-call.ts';

const BATCH = 16;

/** A host whose agent stands alone and is sent what it should not be; gone with its scope. */
export class FuzzedHost implements AsyncDisposable {
  readonly lab: OverlayLab;
  readonly #raw = new RawCaller();
  readonly #protos: Protos;
  readonly #address: string;

  private constructor(lab: OverlayLab, protos: Protos) {
    this.lab = lab;
    this.#protos = protos;
    this.#address = labEndpoints(lab.name).agent('h1');
  }

  static async up(name: string): Promise<FuzzedHost> {
    const protos = new Protos(await readFile(new URL('../../../proto/gen/descriptors.binpb', import.meta.url)));
    return new FuzzedHost(await OverlayLab.up({ name, hosts: 1 }), protos);
  }

  async call(method: MethodShape, bytes: Uint8Array): Promise<RawOutcome> {
    return await this.#raw.call(this.#address, method, bytes);
  }

  /** Holds that a request is INVALID_ARGUMENT and names that field, the last of its path. */
  async refuses(method: MethodShape, request: Readonly<Record<string, unknown>>, field: string): Promise<void> {
    const { code, violations, message } = await this.call(
      method,
      this.#protos.encode(this.#protos.requestOf(method), request),
    );
    const named = violations.map((each) =>
      each.field
        .replaceAll(/\[\d+\]/g, '')
        .split('.')
        .at(-1),
    );
    const what = `${method.path} ${JSON.stringify(request)}: ${message}`;
    expect([code, named], what).toEqual(['INVALID_ARGUMENT', [field]]);
  }

  /** Holds that whatever these methods are sent, with valid values mixed in, they answer by one of `codes`. */
  async staysCalm(
    methods: readonly MethodShape[],
    {
      known,
      codes,
      batches,
    }: { readonly known: readonly string[]; readonly codes: readonly string[]; readonly batches: number },
  ): Promise<void> {
    const request = fc
      .constantFrom(...methods)
      .chain((method) =>
        fc
          .oneof(
            { weight: 4, arbitrary: hostileMessage(this.#protos.requestOf(method), known) },
            { weight: 1, arbitrary: noise },
          )
          .map((bytes) => [method, bytes] as const),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: BATCH, maxLength: BATCH }), async (batch) => {
        const outcomes = await Promise.all(
          batch.map(async ([method, bytes]) => ({ path: method.path, ...(await this.call(method, bytes)) })),
        );
        expect(outcomes.filter(({ code }) => !codes.includes(code))).toEqual([]);
      }),
      { numRuns: batches, endOnFailure: true },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#raw[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}
