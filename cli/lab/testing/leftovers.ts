import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { allNamespaces } from '../namespaces.ts';
import { allProcesses, processArguments } from '../proc.ts';
import { defaultStateDir, REGISTRY } from '../store.ts';
import { parseLabName } from '../names.ts';

/** What a machine shows of a lab: none of it may be there before `labUp` and after `labDown`. */
export const leftovers = (lab: string, mark: string): readonly string[] => [
  ...allNamespaces()
    .filter((name) => name.startsWith(`weft-${lab}-`))
    .map((name) => `namespace ${name}`),
  ...allProcesses()
    .filter(({ pid }) => processArguments(pid).some((word) => word === mark || word.includes(`weft-${lab}-`)))
    .map(({ pid, command }) => `process ${pid.toString()} ${command}`),
  ...readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`weft-${lab}-`) || line.includes(defaultStateDir(parseLabName('lab', lab))))
    .map((line) => `mount ${line}`),
  ...attempt(() => readdirSync(REGISTRY), [])
    .filter((name) => name === lab)
    .map((name) => `registry ${name}`),
  ...[defaultStateDir(parseLabName('lab', lab))].filter((path) => existsSync(path)).map((path) => `folder ${path}`),
];

/** Processes that hold the namespaces of a lab from inside, whatever they are called: seen by the marks in their mounts. */
export const holdersOf = (lab: string): readonly string[] =>
  allProcesses()
    .filter(({ pid }) =>
      attempt(() => readFileSync(`/proc/${pid.toString()}/mountinfo`, 'utf8'), '').includes(`/weft-lab/${lab}/`),
    )
    .map(({ pid, command }) => `holder ${pid.toString()} ${command}`);
