import type { DomainError } from '#platform/errors/domain-error.ts';
import { ByteWriter } from './bytes.ts';
import { type Channel, type Exchange, refused } from './channel.ts';
import { readError } from './error-names.ts';
import type { Flow } from './flow.ts';
import { type FlowFilter, readFlowsReply, writeFlowsRequest } from './flow-messages.ts';
import { OFPT } from './message.ts';
import type { Message } from './message.ts';

/** Flows, and at the same place how many packets each has had. */
export interface CountedFlows {
  readonly flows: readonly Flow[];
  readonly packets: readonly number[];
}

/** Flows that are there, in no order. Rejects with `unavailable` when the channel ends. */
export const readFlows = async (channel: Channel, filter: FlowFilter): Promise<CountedFlows> => {
  const exchange = new FlowsExchange();
  const writer = new ByteWriter();
  writeFlowsRequest(writer, filter, channel.begin(1, exchange));
  try {
    channel.send(writer);
    return await exchange.counted;
  } finally {
    channel.finish(exchange);
  }
};

class FlowsExchange implements Exchange {
  readonly #read: Flow[] = [];
  readonly #packets: number[] = [];
  readonly #end = Promise.withResolvers<CountedFlows>();

  get counted(): Promise<CountedFlows> {
    return this.#end.promise;
  }

  receive(message: Message): void {
    if (message.type === OFPT.ERROR) this.#end.reject(refused(readError(message.body)));
    else if (message.type === OFPT.MULTIPART_REPLY && !readFlowsReply(message.body, this.#read, this.#packets)) {
      this.#end.resolve({ flows: this.#read, packets: this.#packets });
    }
  }

  lost(error: DomainError): void {
    this.#end.reject(error);
  }
}
