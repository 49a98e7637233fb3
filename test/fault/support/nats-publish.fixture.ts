/** Publishes what it reads: a JSON array of messages, to the NATS server of the first argument. Run in a lab's control namespace. */
import { text } from 'node:stream/consumers';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

interface Message {
  readonly subject: string;
  readonly base64: string;
  readonly stream: boolean;
}

const messages = JSON.parse(await text(process.stdin)) as readonly Message[];
const connection = await connect({ servers: process.argv[2] ?? '', timeout: 5_000 });
const stream = jetstream(connection);
for (const { subject, base64, stream: kept } of messages) {
  const data = Buffer.from(base64, 'base64');
  if (kept) await stream.publish(subject, data);
  else connection.publish(subject, data);
}
await connection.drain();
