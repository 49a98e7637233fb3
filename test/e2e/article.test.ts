import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run as weft } from '../../cli/run.ts';
import { articleLab, ArticleReplay } from '../article/replay.ts';
import { deviceNames, inPlace, tryInPlace } from '../system/kernel.ts';
import type { LabWeft } from '../system/lab-weft.ts';

const LAB = 'wart';

describe('the way to a self-service network with a router, step by step', { timeout: 180_000, retry: 0 }, () => {
  let lab: LabWeft;
  let replay: ArticleReplay;
  const said: string[] = [];

  beforeAll(async () => {
    lab = await articleLab(LAB);
    replay = new ArticleReplay(lab, {
      command: async (...argv) => {
        const [out, err] = [new PassThrough().setEncoding('utf8'), new PassThrough().setEncoding('utf8')];
        const code = await weft([...argv, '--lab', LAB], out, err);
        if (code !== 0) throw new Error(`weft ${argv.join(' ')} ended with ${code.toString()}: ${String(err.read())}`);
      },
      heading: () => undefined,
      say: (line) => {
        said.push(line);
      },
      verify: (holds, what) => {
        expect(holds, what).toBe(true);
      },
    });
  }, 120_000);

  afterAll(async () => {
    await lab.down();
  });

  test('every entry of both hosts is as the article shows it, and a guest reaches the internet', async () => {
    await replay.forward();
    const text = said.join('\n');
    for (const command of ARTICLE_COMMANDS) expect(text).toMatch(command);
    for (const host of lab.hosts) {
      const { operations } = await (await lab.connections.agent(host)).plan({ network_id: '' });
      expect(operations).toEqual([]);
    }
  });

  test('every step is taken back, to nothing left', async () => {
    const devices = async (host: string): Promise<readonly string[]> => (await deviceNames(LAB, host)).toSorted();
    await replay.backward();
    for (const host of lab.hosts) {
      expect(await devices(host)).toEqual(['eth0', 'eth1', 'lo', 'mgmt0']);
      expect(await inPlace({ lab: LAB, host }, ['ip', 'netns', 'list'])).toBe('');
      expect(await inPlace({ lab: LAB, host }, ['nft', 'list', 'ruleset'])).not.toContain('tap');
      const { stdout } = await tryInPlace({ lab: LAB, host }, ['pgrep', '-af', 'dnsmasq.*(c1997735|34078f0c)-']);
      expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('pgrep'))).toEqual([]);
      expect(await left(join(lab.lab.stateDir, 'data', host, 'agent', 'dhcp'))).toEqual([]);
    }
  });
});

const left = async (folder: string): Promise<readonly string[]> => await readdir(folder).catch(() => []);

/** What the article shows as typed by nobody knows whom: each is told, with what led to it. */
const ARTICLE_COMMANDS = [
  /ip netns add qdhcp-c1997735-771e-463c-b64f-7724800bbb1a/,
  /ip link add tap[0-9a-f-]{11} .*type veth peer name ns-[0-9a-f-]{11} netns qdhcp-c1997735/,
  /dnsmasq --no-hosts --no-resolv/,
  /ip link set (dev )?eth1 .*master brqc1997735-77/,
  /ip netns add qrouter-594a2a7a-c79b-42f2-9011-8373f3186cb8/,
  /ip link add name vxlan-70 .*type vxlan id 70/,
  /bridge fdb append 00:00:00:00:00:00 dev vxlan-70 dst 192\.168\.56\.102/,
];
