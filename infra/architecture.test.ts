import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cruiseTree, rules } from './architecture.ts';

/** Modules by path, and what each imports. */
type Tree = Readonly<Record<string, readonly string[]>>;

/** What is allowed, and looks like what is not. */
const CLEAN: Tree = {
  'services/platform/net/vni.ts': [],
  'services/platform/redis/store.ts': ['ioredis', '../net/vni.ts'],
  'services/platform/rpc/client.ts': ['@grpc/grpc-js'],
  'services/platform/async/sleep.ts': ['../net/vni.ts'],
  'services/platform/testing/fake.ts': ['#platform/net/vni.ts'],
  'services/ipam/domain/pool.ts': ['#platform/net/vni.ts', 'node:crypto'],
  'services/ipam/domain/pool.test.ts': ['./pool.ts', '#platform/testing/fake.ts', 'vitest'],
  'services/ipam/app/allocate.ts': ['../domain/pool.ts', '#platform/async/sleep.ts'],
  'services/ipam/adapters/leases.ts': ['../app/allocate.ts', '#platform/redis/store.ts', '#proto/weft/ipam.ts'],
  'services/ipam/api/service.ts': ['../app/allocate.ts', '#proto/weft/ipam.ts'],
  'services/ipam/main.ts': ['./api/service.ts', './adapters/leases.ts', '#platform/rpc/client.ts'],
  'services/topology/domain/port.ts': ['#platform/net/vni.ts'],
  'services/topology/app/bind.ts': ['../domain/port.ts'],
  'agents/dataplane/model/intent.ts': ['#platform/net/vni.ts', 'type #platform/async/sleep.ts'],
  'agents/dataplane/plan/diff.ts': ['../model/intent.ts'],
  'agents/dataplane/reconcile/round.ts': ['../plan/diff.ts', '#platform/async/sleep.ts'],
  'agents/dataplane/sys/runner.ts': ['node:child_process', 'node:fs/promises'],
  'agents/dataplane/intake/watch.ts': ['#proto/weft/ipam.ts', '../model/intent.ts'],
  'agents/dataplane/drivers/ovs/operations.ts': ['../../model/intent.ts'],
  'agents/dataplane/drivers/ovs/plan.ts': ['./operations.ts', '../../plan/diff.ts'],
  'agents/dataplane/drivers/ovs/apply.ts': ['./operations.ts', '../../sys/runner.ts'],
  'agents/dataplane/drivers/ovs/flow-text.ts': ['../../protocols/openflow/flow.ts'],
  'agents/dataplane/drivers/ovs/dataplane.ts': ['./flow-text.ts', '../../protocols/openflow/connection.ts'],
  'agents/dataplane/protocols/openflow/flow.ts': ['#platform/net/vni.ts'],
  'agents/dataplane/protocols/openflow/connection.ts': ['./flow.ts', '../../sys/runner.ts'],
  'agents/dataplane/overlay/plan/steps.ts': ['#platform/net/vni.ts'],
  'agents/dataplane/overlay/watch.ts': ['./plan/steps.ts', '../reconcile/round.ts'],
  'cli/weft.ts': ['./output.ts'],
  'cli/output.ts': ['#platform/net/vni.ts'],
  'test/e2e/all.test.ts': ['../../services/ipam/main.ts', '../../agents/dataplane/drivers/ovs/plan.ts', 'vitest'],
  'infra/tool.ts': ['node:fs'],
  'proto/gen/weft/ipam.ts': [],
};

/** For every rule, modules that break it. */
const PLANTED: Readonly<Record<string, Tree>> = {
  'platform-is-the-floor': { 'services/platform/net/knows.ts': ['../../ipam/domain/pool.ts'] },
  'services-are-strangers': { 'services/ipam/app/peeks.ts': ['../../topology/domain/port.ts'] },
  'agents-and-services-are-strangers': { 'agents/dataplane/reconcile/calls.ts': ['../../../services/ipam/main.ts'] },
  'services-know-no-agents': { 'services/ipam/app/drives.ts': ['../../../agents/dataplane/plan/diff.ts'] },
  'domain-is-pure': {
    'services/ipam/domain/waits.ts': ['#platform/async/sleep.ts'],
    'services/ipam/domain/reads.ts': ['node:fs'],
    'services/topology/domain/uses.ts': ['../app/bind.ts'],
  },
  'layers-point-inward': {
    'services/ipam/app/stores.ts': ['../adapters/leases.ts'],
    'services/ipam/api/skips.ts': ['../adapters/leases.ts'],
    'services/ipam/adapters/serves.ts': ['../api/service.ts'],
  },
  'model-and-plan-are-pure': {
    'agents/dataplane/plan/acts.ts': ['../sys/runner.ts'],
    'agents/dataplane/model/knows.ts': ['#proto/weft/ipam.ts'],
    'agents/dataplane/drivers/bridge/plan.ts': ['node:fs'],
    'agents/dataplane/drivers/bridge/link-plan.ts': ['type ../../sys/runner.ts'],
    'agents/dataplane/drivers/bridge/row-operations.ts': ['../../sys/runner.ts'],
    'agents/dataplane/drivers/bridge/observed.ts': ['../../intake/watch.ts'],
    'agents/dataplane/drivers/ovs/base-plan.ts': ['../../protocols/openflow/connection.ts'],
    'agents/dataplane/drivers/ovs/flood-plan.ts': ['./apply.ts'],
    'agents/dataplane/drivers/ovs/flows.ts': ['node:net'],
    'agents/dataplane/drivers/ovs/flow-spec.ts': ['../../sys/runner.ts'],
    'agents/dataplane/drivers/ovs/rows.ts': ['../../reconcile/round.ts'],
    'agents/dataplane/model/validates.ts': ['zod'],
    'agents/dataplane/overlay/plan/acts.ts': ['../../sys/runner.ts'],
  },
  'model-and-plan-wait-for-nothing': {
    'agents/dataplane/plan/waits.ts': ['#platform/async/sleep.ts'],
    'agents/dataplane/drivers/ovs/device-merge.ts': ['#platform/async/sleep.ts'],
  },
  'one-door-to-the-host': {
    'agents/dataplane/drivers/ovs/spawns.ts': ['node:child_process'],
    'agents/dataplane/intake/opens.ts': ['node:fs/promises'],
    'agents/dataplane/reconcile/dials.ts': ['node:net'],
    'agents/dataplane/protocols/openflow/dials.ts': ['node:net'],
  },
  'drivers-are-strangers': { 'agents/dataplane/drivers/bridge/borrows.ts': ['../ovs/operations.ts'] },
  'drivers-are-driven': {
    'agents/dataplane/drivers/ovs/asks.ts': ['../../reconcile/round.ts'],
    'agents/dataplane/drivers/ovs/takes.ts': ['type ../../intake/watch.ts'],
    'agents/dataplane/drivers/bridge/weaves.ts': ['../../overlay/plan/steps.ts'],
  },
  'protocols-know-their-wire': {
    'agents/dataplane/protocols/openflow/plans.ts': ['../../plan/diff.ts'],
    'agents/dataplane/protocols/openflow/drives.ts': ['type ../../drivers/ovs/flow-text.ts'],
    'agents/dataplane/protocols/ovsdb/borrows.ts': ['../openflow/flow.ts'],
    'agents/dataplane/protocols/ovsdb/loops.ts': ['../../reconcile/round.ts'],
  },
  'wire-types-stay-at-the-edge': {
    'services/ipam/app/speaks.ts': ['#proto/weft/ipam.ts'],
    'agents/dataplane/reconcile/speaks.ts': ['type #proto/weft/ipam.ts'],
  },
  'clients-live-in-adapters': {
    'services/ipam/app/saves.ts': ['#platform/redis/store.ts'],
    'services/ipam/api/dials.ts': ['#platform/rpc/client.ts'],
  },
  'libraries-have-one-home': {
    'services/ipam/app/redis.ts': ['ioredis'],
    'agents/dataplane/intake/grpc.ts': ['type @grpc/grpc-js'],
  },
  'no-fakes-in-production': {
    'services/ipam/app/fakes.ts': ['#platform/testing/fake.ts'],
    'cli/borrows.ts': ['../services/platform/rpc/echo.fixture.ts'],
    'services/platform/rpc/echo.fixture.ts': [],
  },
  'no-dev-dependencies': { 'services/ipam/app/tests.ts': ['vitest'] },
  'no-circular': {
    'services/ipam/app/chicken.ts': ['./egg.ts'],
    'services/ipam/app/egg.ts': ['./chicken.ts'],
  },
  'no-orphans': { 'services/ipam/app/forgotten.ts': [] },
  'no-unresolvable': { 'services/ipam/app/lost.ts': ['./nowhere.ts'] },
};

const PACKAGES = { dependencies: ['ioredis', '@grpc/grpc-js', 'zod'], devDependencies: ['vitest'] } as const;

/** A repository of this shape; each module uses all that it imports. */
const repository = async (...trees: readonly Tree[]): Promise<AsyncDisposable & { readonly root: string }> => {
  const root = await mkdtemp(path.join(tmpdir(), 'weft-architecture-'));
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  };
  const versions = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  await write(
    'package.json',
    JSON.stringify({
      name: 'tree',
      type: 'module',
      imports: { '#platform/*': './services/platform/*', '#proto/*': './proto/gen/*' },
      dependencies: versions(PACKAGES.dependencies),
      devDependencies: versions(PACKAGES.devDependencies),
    }),
  );
  for (const name of Object.values(PACKAGES).flat()) {
    await write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    await write(`node_modules/${name}/index.js`, '');
  }
  for (const [file, imports] of trees.flatMap((tree) => Object.entries(tree))) {
    const lines = imports.map((what, at) =>
      what.startsWith('type ')
        ? `import type * as i${at} from '${what.slice(5)}';`
        : `import * as i${at} from '${what}';`,
    );
    await write(file, [...lines, 'export const value = 1;'].join('\n'));
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
};

test('finds nothing in a tree that keeps the rules', async () => {
  await using tree = await repository(CLEAN);
  const { modules, violations } = await cruiseTree(tree.root);
  expect(violations).toEqual([]);
  expect(modules).toBeGreaterThan(Object.keys(CLEAN).length - 2);
});

test('has a planted violation for every rule', async () => {
  expect(Object.keys(PLANTED).toSorted()).toEqual([...(await rules()).keys()].toSorted());
});

test('finds every planted violation', async () => {
  await using tree = await repository(CLEAN, ...Object.values(PLANTED));
  const { violations } = await cruiseTree(tree.root);
  // A circle is told once, at one of its modules.
  const found = new Set(
    violations.flatMap(({ rule, from, cycle = [] }) =>
      [from, ...cycle.map(({ name }) => name)].map((module) => `${rule.name}: ${module}`),
    ),
  );
  const planted = Object.entries(PLANTED).flatMap(([rule, modules]) =>
    Object.entries(modules).flatMap(([from, imports]) =>
      imports.length > 0 || rule === 'no-orphans' ? [`${rule}: ${from}`] : [],
    ),
  );
  expect(planted.filter((one) => !found.has(one))).toEqual([]);
});
