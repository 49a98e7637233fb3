import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { DomainError } from '#platform/errors/domain-error.ts';
import { helpText } from './help-text.ts';
import { loadConfig } from './load-config.ts';
import type { ConfigSources } from './load-config.ts';
import { address, durationMs, port, urlList } from './schemas.ts';
import { defineSettings, setting } from './settings.ts';

const settings = defineSettings({
  listen: setting('address to listen on', address.default('unix:/run/weft/ipam.sock')),
  hostId: setting('id of this host', z.string().min(1)),
  graceMs: setting('time to stop in', durationMs({ max: 60_000 }).default(10_000)),
  vxlanPort: setting('UDP port of VXLAN', port.default(4789)),
  natsUrls: setting('NATS servers', urlList(['nats']).default(['nats://127.0.0.1:4222'])),
  logLevel: setting('least level to log', z.enum(['debug', 'info', 'warn', 'error']).default('info')),
  reflection: setting('offer server reflection', z.boolean().default(true)),
  dryRun: setting('change nothing', z.boolean().default(false)),
  otlpEndpoint: setting('where traces go', z.url().optional()),
});

const noFile = (path: string): string => {
  throw new Error(`ENOENT: ${path}`);
};

const load = (sources: Partial<ConfigSources> & { readonly argv?: readonly string[] }) => {
  const loaded = loadConfig(settings, { argv: [], env: {}, readFile: noFile, ...sources });
  if (loaded.help) throw new Error('help was asked for');
  return loaded;
};

const complaints = (sources: Partial<ConfigSources>): readonly string[] => {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof DomainError && error.code === 'invalid')
      return error.violations.map((violation) => violation.description);
    throw error;
  }
  return [];
};

const hosted = ['--host-id', 'h1'];

test('what nothing names has its default', () => {
  expect(load({ argv: hosted }).values).toEqual({
    listen: 'unix:/run/weft/ipam.sock',
    hostId: 'h1',
    graceMs: 10_000,
    vxlanPort: 4789,
    natsUrls: ['nats://127.0.0.1:4222'],
    logLevel: 'info',
    reflection: true,
    dryRun: false,
    otlpEndpoint: undefined,
  });
});

test('values have the type that their schema makes', () => {
  const { values } = load({ argv: hosted });
  expectTypeOf(values.graceMs).toEqualTypeOf<number>();
  expectTypeOf(values.natsUrls).toEqualTypeOf<string[]>();
  expectTypeOf(values.logLevel).toEqualTypeOf<'debug' | 'info' | 'warn' | 'error'>();
  expectTypeOf(values.otlpEndpoint).toEqualTypeOf<string | undefined>();
  expectTypeOf<keyof typeof values>().toEqualTypeOf<keyof typeof settings>();
});

test('a flag counts before the environment, that before the file, that before the default', () => {
  const readFile = (): string => 'host-id: from-file\ngrace-ms: 3s\nvxlan-port: 8472\nlog-level: warn\n';
  const env = { WEFT_HOST_ID: 'from-env', WEFT_GRACE_MS: '2s', WEFT_VXLAN_PORT: '', PATH: '/bin' };
  const { values } = load({ argv: ['--config', '/etc/weft.yaml', '--host-id=from-flag'], env, readFile });
  expect(values).toMatchObject({
    hostId: 'from-flag',
    graceMs: 2_000,
    vxlanPort: 8472,
    logLevel: 'warn',
    dryRun: false,
  });
});

test('the file may be JSON, and be named by the environment', () => {
  const readFile = (path: string): string =>
    path === '/etc/weft.json'
      ? '{"host-id": "h2", "nats-urls": ["nats://a", "nats://b"], "reflection": false}'
      : noFile(path);
  const { values } = load({ env: { WEFT_CONFIG: '/etc/weft.json' }, readFile });
  expect(values).toMatchObject({ hostId: 'h2', natsUrls: ['nats://a', 'nats://b'], reflection: false });
});

describe('the command line', () => {
  test.each([
    [['--dry-run'], { dryRun: true }],
    [['--no-reflection'], { reflection: false }],
    [['--no-reflection', '--reflection'], { reflection: true }],
    [['--reflection=off'], { reflection: false }],
    [['--vxlan-port', '8472'], { vxlanPort: 8472 }],
    [['--vxlan-port=8472', '--vxlan-port=8473'], { vxlanPort: 8473 }],
    [['--nats-urls', 'nats://a, nats://b', '--nats-urls=nats://c'], { natsUrls: ['nats://a', 'nats://b', 'nats://c'] }],
    [['--listen=[::1]:1'], { listen: '[::1]:1' }],
  ])('%j is read', (argv, expected) => {
    expect(load({ argv: [...hosted, ...argv] }).values).toMatchObject(expected);
  });

  test('keeps what is no flag, and all after two dashes', () => {
    const { rest } = load({ argv: ['lab', ...hosted, 'exec', '-', '--', 'ip', '--brief', 'link'] });
    expect(rest).toEqual(['lab', 'exec', '-', 'ip', '--brief', 'link']);
  });

  test.each([['--help'], ['-h']])('%s comes before all complaints', (flag) => {
    expect(loadConfig(settings, { argv: ['--bogus', flag], env: { WEFT_BOGUS: '1' }, readFile: noFile })).toEqual({
      help: true,
    });
  });
});

describe('the environment', () => {
  test.each([
    ['1', true],
    ['true', true],
    ['YES', true],
    ['on', true],
    ['0', false],
    ['false', false],
    ['no', false],
    ['off', false],
  ])('says %s for %s', (text, value) => {
    expect(load({ argv: hosted, env: { WEFT_DRY_RUN: text } }).values.dryRun).toBe(value);
  });

  test('may hold what other programs know', () => {
    expect(complaints({ argv: hosted, env: { WEFT_LAB_NAME: 'x' } })).toHaveLength(1);
    expect(complaints({ argv: hosted, env: { WEFT_LAB_NAME: 'x' }, knownEnv: ['WEFT_LAB_NAME'] })).toEqual([]);
  });
});

test('all that is wrong in all sources is said at once, each with its place and what may have been meant', () => {
  const readFile = (): string => 'listn: x\nvxlan-port: high\nnats-urls: [nats://a, "http://b"]\n';
  expect(
    complaints({
      argv: [
        '--config=/etc/weft.yaml',
        '--lisen',
        'x',
        '--log-level',
        'loud',
        '-v',
        '--dry-run=maybe',
        '--no-reflection=1',
      ],
      env: { WEFT_LISTN: 'x', WEFT_GRACE_MS: '2min', WEFT_ZZZZZZZZZZZZ: '1' },
      readFile,
    }),
  ).toEqual([
    '--lisen is an unknown flag; did you mean --listen?',
    '-v is an unknown flag; did you mean -h?',
    '--no-reflection takes no value',
    'WEFT_LISTN is an unknown environment variable; did you mean WEFT_LISTEN?',
    'WEFT_ZZZZZZZZZZZZ is an unknown environment variable',
    'listn in /etc/weft.yaml is an unknown setting; did you mean listen?',
    'host-id is required: give --host-id or WEFT_HOST_ID, or set it in the file',
    'WEFT_GRACE_MS: "2min": is not a time such as 250ms, 10s, 5m or 1h',
    'vxlan-port in /etc/weft.yaml: "high": Invalid input: expected number, received string',
    'nats-urls in /etc/weft.yaml[1]: "http://b": is not a URL that starts with nats:',
    '--log-level: "loud": Invalid option: expected one of "debug"|"info"|"warn"|"error"',
    '--dry-run: "maybe": Invalid input: expected boolean, received string',
  ]);
});

test.each([
  [['--config'], noFile, '--config needs a value'],
  [['--config', '--dry-run'], noFile, '--config needs a value'],
  [['--config', '/nope'], noFile, '/nope cannot be read: ENOENT: /nope'],
  [['--config', 'f'], () => 'a: [', 'f is not YAML'],
  [['--config', 'f'], () => 'host-id: a\nhost-id: b', 'f is not YAML: Map keys must be unique'],
  [['--config', 'f'], () => '- a', 'f is not a mapping of settings to values'],
])('%j is an error', (argv, readFile, complaint) => {
  expect(complaints({ argv: [...hosted, ...argv], readFile })[0]).toContain(complaint);
});

test('an empty file is as good as none', () => {
  expect(load({ argv: [...hosted, '--config=f'], readFile: () => '# nothing yet\n' }).values.hostId).toBe('h1');
});

test('one complaint is a sentence, several are a list', () => {
  expect(() => load({})).toThrow(/^host-id is required/);
  expect(() => load({ argv: ['--x', '--y'] })).toThrow(
    /^these settings are wrong:\n {2}--x is[^\n]*\n {2}--y is[^\n]*\n {2}host-id is/,
  );
});

test('whatever is given, either values come out or a DomainError', () => {
  const word = fc.oneof(
    fc.constantFrom(
      '--listen',
      '--host-id',
      '--dry-run',
      '--no-dry-run',
      '--',
      '--config',
      '-',
      '--nats-urls=',
      '--vxlan-port=1',
      '--__proto__',
      '--constructor=1',
    ),
    fc.string(),
  );
  const env = fc.dictionary(
    fc.oneof(fc.constantFrom('WEFT_LISTEN', 'WEFT_NATS_URLS', 'WEFT_CONFIG', 'WEFT___PROTO__'), fc.string()),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word), env, fc.string(), (argv, variables, content) => {
      try {
        loadConfig(settings, { argv, env: variables, readFile: () => content });
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test.each(['Listen', 'host_id', 'config', 'help', 'noColour', 'a-b', ''])(
  '%j cannot be the key of a setting',
  (key) => {
    expect(() => defineSettings({ [key]: setting('x', z.string()) })).toThrow(TypeError);
  },
);

test('the help text lists every setting with its flag, its variable and its default', () => {
  expect(helpText('weft-ipam [flags]', settings)).toBe(`Usage: weft-ipam [flags]

Each setting may be given as a flag, as an environment variable or in a file; in that order, the first counts.

  --listen <text>
      address to listen on
      WEFT_LISTEN, default unix:/run/weft/ipam.sock
  --host-id <text>
      id of this host
      WEFT_HOST_ID, required
  --grace-ms <text>
      time to stop in
      WEFT_GRACE_MS, default 10000
  --vxlan-port <number>
      UDP port of VXLAN
      WEFT_VXLAN_PORT, default 4789
  --nats-urls <item,item,…>
      NATS servers
      WEFT_NATS_URLS, default nats://127.0.0.1:4222
  --log-level debug|info|warn|error
      least level to log
      WEFT_LOG_LEVEL, default info
  --reflection, --no-reflection
      offer server reflection
      WEFT_REFLECTION, default true
  --dry-run, --no-dry-run
      change nothing
      WEFT_DRY_RUN, default false
  --otlp-endpoint <text>
      where traces go
      WEFT_OTLP_ENDPOINT, optional
  --config <file>
      YAML or JSON file with settings, each under the name of its flag without the dashes
      WEFT_CONFIG, optional
  --help, -h
      show this text
`);
});
