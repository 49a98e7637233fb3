import path from 'node:path';
import { cruise, type ICruiseResult, type IViolation } from 'dependency-cruiser';
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const REPOSITORY = path.resolve(import.meta.dirname, '..');
const CONFIGURATION = path.join(REPOSITORY, '.dependency-cruiser.cjs');
/** The folders that hold code of ours. */
const FOLDERS = ['services', 'agents', 'cli', 'test', 'infra'] as const;

/** What was looked at, and what broke which rule. */
export interface Cruise {
  readonly modules: number;
  readonly violations: readonly IViolation[];
}

/** Holds the modules under `root` against .dependency-cruiser.cjs of this repository. */
export const cruiseTree = async (root: string): Promise<Cruise> => {
  const options = await extractOptions(CONFIGURATION);
  const result = await cruise([...FOLDERS], { ...options, baseDir: root, validate: true }, undefined, {
    tsConfig: extractTsConfig(path.join(REPOSITORY, 'tsconfig.json')),
  });
  const { summary } = result.output as ICruiseResult;
  return { modules: summary.totalCruised, violations: summary.violations };
};

/** Every rule's name, and why it is there. */
export const rules = async (): Promise<ReadonlyMap<string, string>> => {
  const { ruleSet } = await extractOptions(CONFIGURATION);
  return new Map(ruleSet?.forbidden?.map(({ name = '', comment = '' }) => [name, comment]));
};

/** A violation as a person reads it: rule, who, whom. */
export const violationText = ({ rule, from, to, cycle }: IViolation): string => {
  const trail = cycle?.map(({ name }) => name) ?? (to === from ? [] : [to]);
  return `${rule.name}: ${[from, ...trail].join(' → ')}`;
};
