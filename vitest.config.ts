import { configDefaults, defineConfig } from 'vitest/config';
import LongestFirst from './infra/vitest-longest-first.ts';

/** Suites that fill the machine with namespaces and processes: three files at a time, after all others. */
const SYSTEMS = ['test/{e2e,netns,fault,system,docs}/**/*.test.ts', 'cli/{lab,up}/**/*.test.ts'];

export default defineConfig({
  test: {
    // The closing line comes last, so the reporter that writes it does too.
    reporters: ['default', './infra/vitest-closing-line.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['{services,agents,cli,test,infra}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...SYSTEMS],
          maxWorkers: 2,
          testTimeout: 20_000,
          hookTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'systems',
          include: SYSTEMS,
          // They wait more than they compute.
          maxWorkers: 3,
          // Three share the machine: a timing may suffer by that once, what is wrong is so twice.
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
