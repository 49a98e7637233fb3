import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output of a run with `N passed, N failed`, alone on its line, and `, N skipped` behind it where tests were
 * skipped; before it, a line for each of those that said why, and what was wrong with each that passed only when it was tried
 * again. What fails outside a test (a file that does not load, a
 * suite's hook, an unhandled error) counts as one failure each, so that a red run never says `0 failed`. The exit status
 * stays vitest's own.
 */
export default class ClosingLine implements Reporter {
  readonly #count = { passed: 0, failed: 0, skipped: 0, pending: 0 };

  readonly #skipped: string[] = [];

  readonly #retried: string[] = [];

  #ended = false;

  onInit(): void {
    // Other reporters and vitest itself still write after the run's end; nothing writes after this.
    process.once('exit', () => {
      process.stdout.write(['', ...this.#retried, ...this.#skipped, this.#line(), ''].join('\n'));
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: string): void {
    this.#ended = reason === 'passed' || reason === 'failed';
    this.#count.failed += unhandled.length;
    for (const module of modules) {
      this.#count.failed += Math.min(1, module.errors().length);
      for (const suite of module.children.allSuites()) this.#count.failed += Math.min(1, suite.errors().length);
      for (const test of module.children.allTests()) {
        const result = test.result();
        this.#count[result.state] += 1;
        // What a passed test has of errors is of its earlier tries.
        if (result.state === 'passed' && result.errors !== undefined)
          for (const { message, stack } of result.errors)
            this.#retried.push(`tried again: ${test.fullName}: ${message}\n${ownFrames(stack)}`);
        if (result.state === 'skipped' && result.note !== undefined)
          this.#skipped.push(`skipped: ${test.fullName}: ${result.note}`);
      }
    }
  }

  #line(): string {
    const { passed, failed, pending, skipped } = this.#count;
    // A test that the run's end overtook has no verdict, and a run that was broken off none either.
    const red = Math.max(failed + pending, this.#ended ? 0 : 1);
    return `${passed} passed, ${red} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
  }
}

/** Where in the project's own code it was thrown. */
const ownFrames = (stack = ''): string =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !line.includes('node_modules') && !line.includes('node:'))
    .slice(0, 4)
    .join('\n');
