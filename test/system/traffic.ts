import { tryInPlace } from './kernel.ts';

export interface PingResult {
  readonly sent: number;
  readonly received: number;
}

/** Pings from a guest: `count` packets, one each `intervalMs`. */
export const ping = async (
  lab: string,
  guest: string,
  address: string,
  count = 2,
  intervalMs = 20,
): Promise<PingResult> => {
  const seconds = (intervalMs / 1000).toString();
  const argv = ['ping', '-n', '-q', '-i', seconds, '-c', count.toString(), '-W', '1', address];
  const { stdout } = await tryInPlace({ lab, vm: guest }, argv, count * intervalMs + 10_000);
  const found = /(?<sent>\d+) packets transmitted, (?<received>\d+) received/.exec(stdout)?.groups;
  return { sent: Number(found?.['sent'] ?? 0), received: Number(found?.['received'] ?? 0) };
};

const SERVER = `
const net = require('node:net');
const server = net.createServer((socket) => { socket.on('error', () => {}); socket.pipe(socket); });
server.listen(7, '::', () => process.stdout.write('ready'));
setTimeout(() => process.exit(0), Number(process.argv[1]));
`;

const CLIENT = `
const net = require('node:net');
const [, size, ...addresses] = process.argv;
const one = (host) => new Promise((resolve) => {
  let got = 0;
  const socket = net.connect({ host, port: 7, timeout: 3000 }, () => socket.end(Buffer.alloc(Number(size), 120)));
  socket.on('data', (data) => { got += data.length; });
  socket.on('close', () => resolve([host, got === Number(size)]));
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => socket.destroy());
});
Promise.all(addresses.map(one)).then((results) => process.stdout.write(JSON.stringify(Object.fromEntries(results))));
`;

/** Serves TCP echo in a guest for `lifeMs`, over IPv4 and IPv6; resolves when it has ended. */
export const tcpEcho = async (lab: string, guest: string, lifeMs: number): Promise<void> => {
  await tryInPlace({ lab, vm: guest }, [process.execPath, '-e', SERVER, lifeMs.toString()], lifeMs + 5_000);
};

/** Sends `bytes` to each address and counts the echo; which came back whole. */
export const tcpCheck = async (
  lab: string,
  guest: string,
  addresses: readonly string[],
  bytes = 100_000,
): Promise<Readonly<Record<string, boolean>>> => {
  const { stdout } = await tryInPlace(
    { lab, vm: guest },
    [process.execPath, '-e', CLIENT, bytes.toString(), ...addresses],
    15_000,
  );
  return JSON.parse(stdout === '' ? '{}' : stdout) as Readonly<Record<string, boolean>>;
};
