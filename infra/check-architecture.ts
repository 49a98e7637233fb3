/** `make arch`: who imports whom. Ends with 1 when a rule is broken, and when too little was looked at to say. */
import path from 'node:path';
import { cruiseTree, rules, violationText } from './architecture.ts';

// A compiler that the tool does not understand makes it see no module at all, and no violation either.
const FEWEST = 100;

const { modules, violations } = await cruiseTree(path.resolve(import.meta.dirname, '..'));
const why = await rules();
for (const violation of violations) {
  console.error(`${violationText(violation)}\n    ${why.get(violation.rule.name) ?? ''}`);
}
console.log(`${modules} modules, ${violations.length} violations`);
if (modules <= FEWEST)
  console.error(`more than ${FEWEST} modules were to be seen: dependency-cruiser does not read them`);
if (modules <= FEWEST || violations.length > 0) process.exitCode = 1;
