import { basename } from 'node:path';
import type { Check } from '../check.ts';
import { judged, PASSED, run, type Finding } from '../finding.ts';
import { globMatches, ownDevices, type DevicePattern } from '../managers/devices.ts';
import type { CheckTools } from '../check-tools.ts';

/** Where systemd.network(5) looks, the first of two files of one name. */
const FOLDERS = [
  '/etc/systemd/network',
  '/run/systemd/network',
  '/usr/local/lib/systemd/network',
  '/usr/lib/systemd/network',
];
/** It is there while systemd-networkd runs, and since it first did. */
const STATE = '/run/systemd/netif/state';
const DROP_IN = '/etc/systemd/network/10-weft.network';

/** Whether systemd-networkd is about to manage weft's devices. */
export const networkd: Check = {
  id: 'networkd',
  run: async (survey, tools, signal) => {
    if ((await tools.files.read(STATE, signal)) === undefined) return PASSED;
    return judged(judgeFiles(await networkFiles(tools, signal), ownDevices(survey)));
  },
};

/** A .network file. */
export interface NetworkFile {
  readonly path: string;
  readonly text: string;
}

const networkFiles = async ({ files }: CheckTools, signal: AbortSignal): Promise<readonly NetworkFile[]> => {
  const found = new Map<string, NetworkFile>();
  for (const folder of FOLDERS) {
    for (const path of await files.list(folder)) {
      const name = basename(path);
      if (!name.endsWith('.network') || found.has(name)) continue;
      found.set(name, { path, text: (await files.read(path, signal)) ?? '' });
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
};

/** `files` in the order of their names: the first whose [Match] fits is the one that counts. */
export const judgeFiles = (files: readonly NetworkFile[], own: readonly DevicePattern[]): readonly Finding[] => {
  const managed = own.flatMap(({ pattern, sample }) => {
    const file = files.find(({ text }) => matches(text, sample));
    return file === undefined || /^\s*Unmanaged\s*=\s*(?:yes|true|on|1)\s*$/im.test(file.text)
      ? []
      : [{ pattern, file }];
  });
  if (managed.length === 0) return [];
  const names = managed.map(({ pattern }) => pattern).join(', ');
  return [
    {
      severity: 'warning',
      title: `systemd-networkd runs and is told to manage weft's devices: ${names}`,
      evidence: managed.map(({ pattern, file: { path } }) => `${pattern}: ${path} is the first that matches`),
      remedy: [{ kind: 'write', path: DROP_IN, text: dropIn(own) }, run('networkctl', 'reload')],
      fixable: true,
    },
  ];
};

/** By names alone: what matches by driver, type or address says nothing of devices that are not there yet. */
const matches = (text: string, name: string): boolean => {
  const section = /^\[Match\]\n(?<body>[^[]*)/m.exec(text)?.groups?.['body'] ?? '';
  const keys = [...section.matchAll(/^\s*(\w+)\s*=\s*(.*)$/gm)].map(
    ([, key = '', value = '']) => [key, value] as const,
  );
  if (keys.length === 0 || keys.some(([key]) => key !== 'Name')) return false;
  const patterns = keys.flatMap(([, value]) => value.trim().split(/\s+/));
  const isNegative = patterns[0]?.startsWith('!') === true;
  const hit = patterns.some((pattern) => globMatches(pattern.replace(/^!/, ''), name));
  return isNegative ? !hit : hit;
};

const dropIn = (own: readonly DevicePattern[]): string =>
  [
    '# Written by weft host check --fix. Devices of weft are for its agent alone.',
    '[Match]',
    `Name=${own.map(({ pattern }) => pattern).join(' ')}`,
    '[Link]',
    'Unmanaged=yes',
    '',
  ].join('\n');
