import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { readable, sameAnswer } from './answers.ts';
import { asGrpcurl, type Place, runCommand } from './command.ts';
import { type Answer, type Example, examplesOf, withAnswers } from './examples.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/api.md', import.meta.url));
const SETTLE_MS = 15_000;

const markdown = await readFile(DOCUMENT, 'utf8');
const examples = examplesOf(markdown);

let weft: LabWeft | undefined;

beforeAll(async () => {
  // Reports come often, so that what "settles" does so soon.
  const agentFlags = ['--report-interval-ms', '300', '--settle-ms', '100'];
  weft = await LabWeft.up({ name: 'docs-api', hosts: 2, agentFlags });
}, 120_000);

afterAll(async () => {
  await weft?.down();
}, 60_000);

test('grpcurl is told the same as buf curl', () => {
  for (const { line, argv, others } of examples) {
    for (const other of others) expect(other, `docs/api.md:${line.toString()}`).toEqual(asGrpcurl(argv));
  }
});

// `vitest run test/docs -u` writes the answers that have changed into the document.
test('every answer in docs/api.md is what the command beside it gives', { timeout: 180_000 }, async () => {
  if (weft === undefined) throw new Error('there is no lab');
  const { stateDir } = weft.lab;
  const place = {
    control: join(stateDir, 'data/control/weft.sock'),
    agent: join(stateDir, 'data/h1/agent.sock'),
    lab: weft.name,
  };
  const answers: { readonly answer: Answer; readonly text: string }[] = [];
  for (const example of examples) {
    const { answer } = example;
    const text = await answerOf(example, place);
    if (answer !== undefined) answers.push({ answer, text });
  }
  expect(answers.length).toBeGreaterThan(30);
  await expect(withAnswers(markdown, answers)).toMatchFileSnapshot(DOCUMENT);
});

/** The answer as shown where it says the same; else the one that was given. */
const answerOf = async ({ line, argv, settles, answer }: Example, place: Place): Promise<string> => {
  const end = Date.now() + (settles ? SETTLE_MS : 0);
  for (;;) {
    const { text, status } = await runCommand(argv, place);
    if (answer === undefined) {
      expect(status, `docs/api.md:${line.toString()}: ${text}`).toBe(0);
      return text;
    }
    let given: string;
    try {
      given = answer.language === 'json' ? readable(text) : text;
    } catch (cause) {
      throw new Error(`docs/api.md:${line.toString()}: ${argv.join(' ')} printed ${text}`, { cause });
    }
    if (sameAnswer(answer.language, answer.text, given)) return answer.text;
    if (Date.now() >= end) return given;
    await sleep(200, AbortSignal.timeout(60_000));
  }
};
