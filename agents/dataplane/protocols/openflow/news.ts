import type { Log } from '#platform/log/log.ts';
import { ByteWriter } from './bytes.ts';
import type { Channel, Exchange } from './channel.ts';
import { readError } from './error-names.ts';
import { readFlowUpdates, writeFlowMonitorRequest } from './flow-monitor.ts';
import type { FlowUpdate, FlowUpdates } from './flow-monitor.ts';
import { OFPT } from './message.ts';
import type { Message } from './message.ts';
import { readPacketIn, writePacketsRequest } from './packet-in.ts';
import type { PacketIn } from './packet-in.ts';

/** Who is told what the switch tells unasked. */
export interface NewsListener {
  /** The number of a controller, by which flows send packets here; any controller has number 0. */
  readonly controllerId: number;
  /** Somebody else did something to a flow. */
  flowChanged(update: FlowUpdate): void;
  /** So much was done to flows, by whomsoever, that it was not all told: any may have changed. */
  flowsMissed(): void;
  /** A flow sent a packet to that number. */
  packet(packet: PacketIn): void;
}

/** What the switch is asked to tell of by itself on one channel, and hands on. */
export class News implements Exchange {
  readonly #listener: NewsListener;
  readonly #log: Log;
  #paused = false;
  readonly #updates: FlowUpdates = {
    updated: (update) => {
      // In a pause our own changes are not told in short, and what they are is found out afterwards.
      if (!this.#paused) this.#listener.flowChanged(update);
    },
    paused: () => {
      this.#paused = true;
    },
    resumed: () => {
      this.#paused = false;
      this.#listener.flowsMissed();
    },
  };

  constructor(listener: NewsListener, log: Log) {
    this.#listener = listener;
    this.#log = log;
  }

  /** To be done before anything else goes over the channel. */
  subscribe(channel: Channel): void {
    const writer = new ByteWriter();
    const first = channel.begin(REQUESTS, this);
    writeFlowMonitorRequest(writer, first);
    writePacketsRequest(writer, this.#listener.controllerId, first + 1);
    channel.send(writer);
  }

  receive(message: Message, index: number): void {
    if (message.type !== OFPT.ERROR) return;
    this.#log.warn({ error: readError(message.body) }, index === 0 ? NO_MONITOR : NO_PACKETS);
  }

  /** Whatever comes without being the answer to a request. */
  unasked({ type, body }: Message): void {
    if (type === OFPT.MULTIPART_REPLY) readFlowUpdates(body, this.#updates);
    else if (type === OFPT.PACKET_IN) this.#listener.packet(readPacketIn(body));
  }

  lost(): void {
    // Whoever lost the connection knows.
  }
}

/** The monitor, and two messages about packets. */
const REQUESTS = 3;
// Open vSwitch 3.1 has it; the versions before 2022 have it in OpenFlow 1.0 only.
const NO_MONITOR = 'the switch does not tell of changes of flows: what others do is found when it is looked at';
const NO_PACKETS = 'the switch sends no packets here: guests with wrong checksums are not found out';
