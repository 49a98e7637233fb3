/** `make docs`: the documents' links, paths and `make` targets exist. Ends with 1 when one does not. */
import path from 'node:path';
import { checkDocs } from './docs.ts';

const problems = await checkDocs(path.resolve(import.meta.dirname, '..'));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
