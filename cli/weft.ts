#!/usr/bin/env node
import { argv, stderr, stdout } from 'node:process';
import { run } from './run.ts';

process.exitCode = await run(argv.slice(2), stdout, stderr);
