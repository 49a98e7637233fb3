import { globMatches, type DevicePattern } from './devices.ts';

/** A section of NetworkManager.conf(5). */
interface Section {
  readonly name: string;
  readonly keys: ReadonlyMap<string, string>;
}

/** Reads what `NetworkManager --print-config` prints: all files as one, commented defaults besides. */
const parseConfig = (text: string): readonly Section[] => {
  const sections: { name: string; keys: Map<string, string> }[] = [];
  for (const line of text.split('\n')) {
    const [, name] = /^\[(.+)\]$/.exec(line.trim()) ?? [];
    if (name !== undefined) sections.push({ name, keys: new Map() });
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (key !== undefined) sections.at(-1)?.keys.set(key, value ?? '');
  }
  return sections;
};

/**
 * Which of the devices NetworkManager would manage by this configuration. A `[device…]` section with `managed=` counts before
 * `unmanaged-devices`, the first that matches alone (NetworkManager.conf(5)).
 */
export const managedDevices = (config: string, devices: readonly DevicePattern[]): readonly DevicePattern[] => {
  const sections = parseConfig(config);
  const unmanaged = sections.find(({ name }) => name === 'keyfile')?.keys.get('unmanaged-devices') ?? '';
  const byDevice = sections.filter(({ name, keys }) => /^device(?:[-.].*)?$/.test(name) && keys.has('managed'));
  return devices.filter(({ sample }) => {
    const section = byDevice.find(({ keys }) => specMatches(keys.get('match-device') ?? '*', sample));
    if (section !== undefined) return !/^(?:0|no|false|off)$/i.test(section.keys.get('managed') ?? '');
    return !specMatches(unmanaged, sample);
  });
};

/** A device specification list: any that matches, and no `except:` that does. Of what is no name nothing is known here. */
const specMatches = (list: string, name: string): boolean => {
  const specs = list.split(/[;,]/).map((each) => each.trim());
  const matches = (spec: string): boolean => {
    if (spec === '*') return true;
    const glob = /^interface-name:(?<glob>.+)$/.exec(spec)?.groups?.['glob'];
    // `=` in front: no pattern, `~`: one all the same.
    return glob === undefined
      ? false
      : glob.startsWith('=')
        ? glob.slice(1) === name
        : globMatches(glob.replace(/^~/, ''), name);
  };
  const excepted = specs.filter((spec) => spec.startsWith('except:')).map((spec) => spec.slice('except:'.length));
  return specs.some(matches) && !excepted.some(matches);
};

/** A drop-in that has it leave these devices alone; `+=` leaves what others have said before as it is. */
export const dropIn = (devices: readonly DevicePattern[]): string =>
  [
    '# Written by weft host check --fix: devices of weft are for its agent alone.',
    '[keyfile]',
    `unmanaged-devices+=${devices.map(({ pattern }) => `interface-name:${pattern}`).join(';')}`,
    '',
  ].join('\n');
