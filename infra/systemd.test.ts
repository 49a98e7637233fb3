import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '#platform/config/load-config.ts';
import type { Settings } from '#platform/config/settings.ts';
import { agentSettings } from '../agents/dataplane/config.ts';
import { upSettings } from '../cli/up/config.ts';
import { ipamSettings } from '../services/ipam/config.ts';
import { l2popSettings } from '../services/l2pop/config.ts';
import { topologySettings } from '../services/topology/config.ts';
import { AGENT_FLAGS, SERVICE_FLAGS } from '../cli/node-flags.ts';

const FOLDER = path.join(import.meta.dirname, 'systemd');
/** Where the units expect weft. */
const INSTALLED = '/opt/weft/';

const UNITS: readonly (readonly [unit: string, settings: Settings])[] = [
  ['weft-agent.service', agentSettings],
  ['weft-control-plane.service', upSettings],
  ['weft-ipam@.service', ipamSettings],
  ['weft-topology@.service', topologySettings],
  ['weft-l2pop@.service', l2popSettings],
];

const read = (file: string): string => readFileSync(path.join(FOLDER, file), 'utf8');

/** The values of a unit's `key=` lines. */
const lines = (unit: string, key: string): readonly string[] =>
  read(unit)
    .split('\n')
    .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

const variables = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries([...text.matchAll(/^(WEFT_\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));

const load = (settings: Settings, env: Readonly<Record<string, string>>): object =>
  loadConfig(settings, { argv: [], env, readFile: (file) => expect.fail(`${file} is read`) });

test('every unit has a line here', () => {
  expect(globSync('*.service', { cwd: FOLDER }).toSorted()).toEqual(UNITS.map(([unit]) => unit).toSorted());
});

test.each(UNITS)('%s starts and reads what exists', (unit) => {
  const [node, ...words] = lines(unit, 'ExecStart').join('\n').split(' ');
  // Node's own flags come before the program.
  const [program, ...rest] = words.filter((word) => !word.startsWith('--'));
  expect(node).toBe(`${INSTALLED}node_modules/.bin/node`);
  expect(globSync((program ?? '').replace(INSTALLED, ''), { cwd: path.dirname(import.meta.dirname) })).toHaveLength(1);
  expect(rest).toEqual(program?.endsWith('/cli/weft.ts') === true ? [expect.stringMatching(/^(agent|up)$/)] : []);
});

test.each(UNITS)('%s has the heap that it has in a lab', (unit) => {
  const flags = lines(unit, 'ExecStart')
    .join(' ')
    .split(' ')
    .filter((word) => word.startsWith('--'));
  expect(flags).toEqual(unit === 'weft-agent.service' ? AGENT_FLAGS : SERVICE_FLAGS);
});

test.each(UNITS)("%s's example settings are accepted, the commented ones too", (unit, settings) => {
  const [file = ''] = lines(unit, 'EnvironmentFile');
  const example = read(path.basename(file));
  const own = variables(lines(unit, 'Environment').join('\n').replaceAll('%i', '1').replaceAll('%H', 'host'));
  expect(load(settings, { ...own, ...variables(example) })).toMatchObject({ help: false });
  const all = variables(example.replaceAll(/^#WEFT_/gm, 'WEFT_'));
  expect(Object.keys(all).length).toBeGreaterThan(Object.keys(variables(example)).length);
  expect(load(settings, { ...own, ...all })).toMatchObject({ help: false });
});

test('the agent comes after Open vSwitch and does without it', () => {
  const words = (key: string): readonly string[] => lines('weft-agent.service', key).join(' ').split(' ');
  expect(words('After')).toEqual(expect.arrayContaining(['openvswitch-switch.service', 'openvswitch.service']));
  const others = ['Requires', 'Wants', 'BindsTo', 'PartOf'].flatMap(words);
  expect(others.filter((unit) => unit.startsWith('openvswitch'))).toEqual([]);
});
