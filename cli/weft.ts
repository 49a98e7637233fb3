#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { argv, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

// Before anything else is loaded; where it cannot be written the sources are compiled each time.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/weft', import.meta.url)));
const { run } = await import('./run.ts');

// Whoever reads this through `| head` has had enough: that is no failure.
stdout.on('error', () => {
  process.exit();
});
process.exitCode = await run(argv.slice(2), stdout, stderr);
