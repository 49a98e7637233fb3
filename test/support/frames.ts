import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ipToBigInt, parseIp } from '#platform/net/ip-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Namespace } from '../netns/namespaces.ts';

const hex = (value: bigint | number, octets: number): string => value.toString(16).padStart(octets * 2, '0');
const mac = (text: string): string => text.replaceAll(':', '');
const ip = (text: string): string => hex(ipToBigInt(parseIp('ip', text)), text.includes(':') ? 16 : 4);

/** Six octets of each frame, where they mean nothing, to know it again by. */
export const MARK = 'm'.repeat(12);

/** A frame by hand, as octets in hexadecimal, to everybody. */
export const ethernet = (source: string, type: number, payload: string): string =>
  `ffffffffffff${mac(source)}${hex(type, 2)}${payload}`.padEnd(120, '0');

/** The same frame behind a VLAN tag. */
export const tagged = (frame: string, vlan: number): string =>
  `${frame.slice(0, 24)}8100${hex(vlan, 2)}${frame.slice(24)}`;

/** An ARP reply (RFC 826) from a sender to nobody. */
export const arp = (source: string, sender: string, address: string): string =>
  ethernet(source, 0x0806, `0001080006040002${mac(sender)}${ip(address)}${MARK}0a0a0a0a`);

const checksum = (octets: string): string => {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 4) sum += Number.parseInt(octets.slice(at, at + 4), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return hex(0xffff - sum, 2);
};

/** Eight octets; no checksum, which switches do not look at. */
const udp = ([source, destination]: readonly [number, number]): string =>
  `${hex(source, 2)}${hex(destination, 2)}${hex(16, 2)}0000${MARK}0000`;

/** UDP over IPv4 (RFC 791) to the broadcast address. */
export const udp4 = (source: string, from: string, ports: readonly [number, number]): string => {
  const start = `4500${hex(36, 2)}000000004011`;
  const addresses = `${ip(from)}ffffffff`;
  return ethernet(source, 0x0800, `${start}${checksum(`${start}0000${addresses}`)}${addresses}${udp(ports)}`);
};

const ipv6 = (source: string, from: string, next: number, payload: string): string =>
  ethernet(
    source,
    0x86dd,
    `60000000${hex(payload.length / 2, 2)}${hex(next, 1)}ff${ip(from)}${ip('ff02::1')}${payload}`,
  );

/** UDP over IPv6 to all nodes. */
export const udp6 = (source: string, from: string, ports: readonly [number, number]): string =>
  ipv6(source, from, 17, udp(ports));

/**
 * A message of neighbour discovery (RFC 4861) with an option: router advertisement 134, solicitation 135, advertisement
 * 136.
 */
export const discovery = (source: string, from: string, type: 134 | 135 | 136, target: string): string => {
  const what = type === 134 ? `40000708${'00'.repeat(8)}` : `20000000${ip(target)}`;
  return ipv6(source, from, 58, `${hex(type, 1)}000000${what}${type === 136 ? '02' : '01'}01${MARK}`);
};

const SEND = `
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    s.send(bytes.fromhex(frame))
    time.sleep(0.002)
`;

/** Puts frames on the wire as a guest that writes them itself. */
export const send = async (from: Namespace, device: string, frames: readonly string[]): Promise<void> => {
  await from.must('python3', '-c', SEND, device, ...frames);
};

const RECEIVE = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print('listening', flush=True)
while True: print(s.recv(2048).hex(), flush=True)
`;

/** Hears all that arrives at a guest. */
export interface Ear extends AsyncDisposable {
  readonly heard: readonly string[];
}

/** Listens until the end of its scope. */
export const listen = async (at: Namespace, device: string): Promise<Ear> => {
  const argv = ['--pdeathsig', 'KILL', ...at.prefix, 'python3', '-c', RECEIVE, device];
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard: string[] = [];
  let left = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (left + chunk).split('\n');
    left = lines.pop() ?? '';
    heard.push(...lines);
  });
  await eventually('an ear', () => heard.length > 0);
  return {
    heard,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
  };
};
