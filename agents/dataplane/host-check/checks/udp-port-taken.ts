import { jsonObjects, outputOf } from '../../sys/command.ts';
import type { Check } from '../check.ts';
import { judged, run, skipped, type Finding } from '../finding.ts';
import type { Survey } from '../survey.ts';

/** Whether somebody else has a UDP port of VXLAN. */
export const udpPortTaken: Check = {
  id: 'udp-port-taken',
  run: async (survey, { commands }, signal) => {
    if (!survey.kernelTunnels) return skipped("Open vSwitch' userspace datapath needs no UDP socket");
    const command = ['ip', '-json', '-details', 'link', 'show', 'type', 'vxlan'];
    const [sockets, devices] = await Promise.all([
      outputOf(commands, ['ss', '-H', '-u', '-l', '-n', '-p'], signal),
      outputOf(commands, command, signal),
    ]);
    return judged(judgePorts(survey, parseSockets(sockets), parseTunnels(jsonObjects(command.join(' '), devices))));
  },
};

/** A bound UDP socket; without a process it is the kernel's, or a process that this one must not see. */
export interface UdpSocket {
  readonly local: string;
  readonly port: number;
  readonly process?: { readonly name: string; readonly pid: number };
}

/** A VXLAN device of this network namespace. */
export interface VxlanDevice {
  readonly name: string;
  readonly port: number;
  /** The VNI comes with each packet: one such device takes all that come to its port. */
  readonly external: boolean;
}

/** Reads `ss -H -u -l -n -p`: state, two queue lengths, local and peer address, and the users. */
export const parseSockets = (text: string): readonly UdpSocket[] =>
  text.split('\n').flatMap((line): readonly UdpSocket[] => {
    const [, , , local = '', , users = ''] = line.trim().split(/\s+/);
    const port = Number(local.slice(local.lastIndexOf(':') + 1));
    if (!Number.isInteger(port) || port === 0) return [];
    const found = /\("(?<name>[^"]*)",pid=(?<pid>\d+)/.exec(users)?.groups;
    const process = found === undefined ? undefined : { name: found['name'] ?? '', pid: Number(found['pid']) };
    return [{ local, port, ...(process !== undefined && { process }) }];
  });

const parseTunnels = (links: readonly Readonly<Record<string, unknown>>[]): readonly VxlanDevice[] =>
  links.flatMap(({ ifname, linkinfo }): readonly VxlanDevice[] => {
    const data: unknown = isObject(linkinfo) ? linkinfo['info_data'] : undefined;
    if (typeof ifname !== 'string' || !isObject(data) || typeof data['port'] !== 'number') return [];
    return [{ name: ifname, port: data['port'], external: data['external'] === true }];
  });

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** The kernel's own sockets are those of its VXLAN devices, which share a port where they are of one kind. */
export const judgePorts = (
  { udpPorts, driver }: Pick<Survey, 'udpPorts' | 'driver'>,
  sockets: readonly UdpSocket[],
  devices: readonly VxlanDevice[],
): readonly Finding[] =>
  udpPorts.flatMap((port): readonly Finding[] => {
    const here = devices.filter((device) => device.port === port);
    const others = sockets.filter(
      (socket) => socket.port === port && (socket.process !== undefined || here.length === 0),
    );
    const wrongKind = here.filter(({ external }) => external !== (driver !== 'linuxbridge'));
    return [
      ...others.map(({ local, process }): Finding => {
        const who = process === undefined ? 'somebody' : `${process.name} (pid ${process.pid})`;
        return {
          severity: 'error',
          title: `UDP port ${port} is taken by ${who}: the kernel cannot take VXLAN there`,
          evidence: [`ss -u -l -n -p: ${local}${process === undefined ? ', no process is shown' : ` of ${who}`}`],
          remedy: process === undefined ? [] : [run('kill', process.pid.toString())],
        };
      }),
      ...wrongKind.map(({ name, external }): Finding => ({
        severity: 'error',
        title: `VXLAN device ${name} has UDP port ${port}, in a way in which it cannot be shared`,
        evidence: [`ip -d link show ${name}: dstport ${port}, ${external ? 'external' : 'not external'}`],
        remedy: [],
      })),
    ];
  });
