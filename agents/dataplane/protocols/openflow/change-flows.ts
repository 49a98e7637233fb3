import { setImmediate } from 'node:timers/promises';
import { type DomainError, toError } from '#platform/errors/domain-error.ts';
import { OFPBCT, readBundleControl, writeBundleAdd, writeBundleControl } from './bundle.ts';
import { ByteWriter } from './bytes.ts';
import { type Channel, type Exchange, refused } from './channel.ts';
import { readError } from './error-names.ts';
import type { FlowMod } from './flow.ts';
import { writeFlowMod } from './flow-messages.ts';
import { OFPT, writeMessage } from './message.ts';
import type { Message } from './message.ts';

/** The switch undoes a bundle at the first change that it cannot do, so each refusal costs a bundle: up to so many. */
const MOST_BUNDLES = 4;
/** Octets that are handed over at once. */
const PIECE_BYTES = 1 << 16;
/** Milliseconds of writing after which others get their turn. */
const TURN_MS = 5;

/**
 * Makes changes in order and all at one instant: packets see the flows before or those after. One answer for each:
 * undefined when the switch has confirmed it, else why it was refused. What is refused is left out; with more than a few
 * such, the rest is made one by one. Rejects with `unavailable` when the channel ends: what was done then is unknown.
 */
export const changeFlows = async (
  channel: Channel,
  mods: readonly FlowMod[],
): Promise<readonly (string | undefined)[]> => {
  const answers = mods.map((): string | undefined => undefined);
  let rest = [...mods.entries()];
  for (let bundles = 0; rest.length > 0; bundles += 1) {
    const exchange = new ChangeExchange(
      rest.map(([, mod]) => mod),
      bundles < MOST_BUNDLES,
    );
    const failure = await exchange.run(channel);
    for (const [index, text] of exchange.refusals) answers[rest[index]?.[0] ?? 0] = text;
    if (failure === undefined) break;
    if (exchange.refusals.size === 0) throw refused(failure);
    rest = rest.filter(([at]) => answers[at] === undefined);
  }
  return answers;
};

/** One attempt: the message number 0 opens a bundle, then come the changes, and the last one asks for confirmation. */
class ChangeExchange implements Exchange {
  /** Why changes were refused, by index. */
  readonly refusals = new Map<number, string>();
  readonly #mods: readonly FlowMod[];
  readonly #bundled: boolean;
  readonly #last: number;
  readonly #end = Promise.withResolvers<string | undefined>();

  constructor(mods: readonly FlowMod[], bundled: boolean) {
    this.#mods = mods;
    this.#bundled = bundled;
    this.#last = mods.length + 1;
    this.#end.promise.catch(() => undefined);
  }

  /** Resolves with undefined when those not refused are done, else with why none is. */
  async run(channel: Channel): Promise<string | undefined> {
    const first = channel.begin(this.#last + 1, this);
    try {
      await this.#write(channel, first);
      return await this.#end.promise;
    } finally {
      channel.finish(this);
    }
  }

  receive(message: Message, index: number): void {
    if (message.type === OFPT.ERROR) {
      const text = readError(message.body);
      if (index === this.#last) this.#end.resolve(text);
      else if (index === 0) this.#end.reject(refused(text));
      else this.refusals.set(index - 1, text);
    } else if (message.type === OFPT.BARRIER_REPLY) this.#end.resolve(undefined);
    else if (message.type === OFPT.BUNDLE_CONTROL && readBundleControl(message.body) === OFPBCT.COMMIT_REPLY) {
      this.#end.resolve(undefined);
    }
  }

  lost(error: DomainError): void {
    this.#end.reject(error);
  }

  async #write(channel: Channel, first: number): Promise<void> {
    let writer = new ByteWriter();
    let turn = performance.now();
    if (this.#bundled) writeBundleControl(writer, first, OFPBCT.OPEN_REQUEST, first);
    for (const [index, mod] of this.#mods.entries()) {
      const xid = (first + 1 + index) >>> 0;
      try {
        if (this.#bundled) writeBundleAdd(writer, first, mod, xid);
        else writeFlowMod(writer, mod, xid);
      } catch (error) {
        this.refusals.set(index, toError(error).message);
      }
      if (writer.length < PIECE_BYTES) continue;
      channel.send(writer);
      writer = new ByteWriter(writer.length);
      if (performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      turn = performance.now();
    }
    const last = (first + this.#last) >>> 0;
    if (this.#bundled) writeBundleControl(writer, first, OFPBCT.COMMIT_REQUEST, last);
    else writeMessage(writer, OFPT.BARRIER_REQUEST, last);
    channel.send(writer);
  }
}
