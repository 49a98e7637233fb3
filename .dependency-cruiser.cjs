// Who may know whom. infra/architecture.test.ts plants a violation of every rule and sees it fire.

/** Code that never runs in production: it may reach for fakes, fixtures and what tests share. */
const TEST = String.raw`\.(test|fixture|contract)\.ts$|/(testing|fixtures)/|^test/`;
/** The composition roots, which know everything that they put together. */
const ROOT = String.raw`^(services/[^/]+|agents/dataplane)/(main|compose[a-z-]*)\.ts$`;
/** Built-in modules that act on the host or talk to it. */
const IO = '^(node:)?(child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|repl|tls|worker_threads)(/|$)';
/** The packages that speak to somebody else's process; each has one home on the floor. */
const CLIENTS = 'node_modules/(@grpc|@nats-io|ioredis)/';

/** Of the agent: what is wanted, and the steps from what is there to that. */
const PURE = [
  '^agents/dataplane/(overlay/)?(model|plan)/',
  String.raw`^agents/dataplane/explain/(cause|describe|dump|host-facts|host-look|host-map|marks|picture|subjects|thing|things)\.ts$`,
  String.raw`^agents/dataplane/drivers/[^/]+/(plan|[a-z]+-plan|operations|[a-z]+-operations)\.ts$`,
  String.raw`^agents/dataplane/drivers/[^/]+/(devices|mark|marks|observed|guard-rules|guard-dump|guard-flows)\.ts$`,
  String.raw`^agents/dataplane/edge/[^/]+/(model|names|plan|steps|desired|files|leases|nat|advertisements)\.ts$`,
  String.raw`^agents/dataplane/drivers/ovs/(flows|flow-spec|flow-text|rows|pipeline|tunnel|device-merge|foreign-changes)\.ts$`,
];
/** Of a protocol: what holds the conversation. The rest of it are values and codecs. */
const TALKING =
  'connection|channel|change-flows|change-queue|read-flows|client|replica|rpc-connection|vswitch-database';

const forbid = (name, comment, from, to) => ({ name, severity: 'error', comment, from, to });

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    forbid(
      'platform-is-the-floor',
      'services/platform knows no service, no agent and no command line',
      { path: '^services/platform/', pathNot: TEST },
      { path: '^(services/(?!platform/)|agents/|cli/|infra/)' },
    ),
    forbid(
      'services-are-strangers',
      'services meet over gRPC and NATS only',
      { path: '^services/(?!platform/)([^/]+)/' },
      { path: '^services/(?!platform/)([^/]+)/', pathNot: '^services/$1/' },
    ),
    forbid(
      'agents-and-services-are-strangers',
      'an agent meets the services over gRPC and NATS only',
      { path: '^agents/' },
      { path: '^services/(?!platform/)|^cli/|^infra/' },
    ),
    forbid(
      'services-know-no-agents',
      'what runs on hosts, and the command line, know the services; never the other way',
      { path: '^services/' },
      { path: '^agents/|^cli/|^infra/' },
    ),
    forbid(
      'domain-is-pure',
      'a domain imports itself, values and errors; nothing that waits, acts or speaks',
      { path: '^services/(?!platform/)([^/]+)/domain/', pathNot: TEST },
      { pathNot: ['^services/$1/domain/', '^services/platform/(net|errors)/', '^(node:)?crypto$'] },
    ),
    forbid(
      'layers-point-inward',
      'api and adapters know app, app knows domain; not the other way, and the two edges do not meet',
      { path: '^services/(?!platform/)([^/]+)/(app|api|adapters)/', pathNot: TEST },
      { path: '^services/$1/(api|adapters)/', pathNot: '^services/$1/$2/' },
    ),
    forbid(
      'model-and-plan-are-pure',
      'a plan is a function of what is wanted and what was observed; it touches neither host nor network',
      { path: PURE, pathNot: TEST },
      {
        path: [
          '^agents/dataplane/(api|intake|reconcile|sys|testing)/',
          String.raw`^agents/dataplane/(drivers/[^/]+|overlay)/(observe|apply)\.ts$`,
          String.raw`^agents/dataplane/protocols/[^/]+/(${TALKING})\.ts$`,
          'node_modules/',
          '^proto/',
          IO,
        ],
      },
    ),
    forbid(
      'model-and-plan-wait-for-nothing',
      'of the floor they use values and errors; of the rest no more than the names of types',
      { path: PURE, pathNot: TEST },
      { path: '^services/platform/(?!net/|errors/)', dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'one-door-to-the-host',
      'only agents/dataplane/sys starts programs, opens files and sockets',
      { path: '^agents/', pathNot: ['^agents/dataplane/sys/', TEST] },
      { path: IO },
    ),
    forbid(
      'drivers-are-strangers',
      'a driver knows no other driver: what two share belongs to plan, model or sys',
      { path: '^agents/dataplane/drivers/([^/]+)/' },
      { path: '^agents/dataplane/drivers/([^/]+)/', pathNot: '^agents/dataplane/drivers/$1/' },
    ),
    forbid(
      'drivers-are-driven',
      'a driver is told what to do, and by whom is nothing to it',
      { path: '^agents/dataplane/drivers/', pathNot: TEST },
      { path: '^agents/dataplane/(api|intake|reconcile|overlay)/' },
    ),
    forbid(
      'protocols-know-their-wire',
      'a protocol knows the sockets that it is spoken over; not what it is spoken for, nor another protocol',
      { path: '^agents/dataplane/protocols/([^/]+)/', pathNot: TEST },
      { path: '^agents/', pathNot: ['^agents/dataplane/protocols/$1/', '^agents/dataplane/sys/'] },
    ),
    forbid(
      'wire-types-stay-at-the-edge',
      'generated messages are turned into values where they come in, and into messages where they leave',
      {
        path: '^(services|agents)/',
        pathNot: [
          '^services/platform/rpc/',
          '^services/[^/]+/(api|adapters)/',
          '^agents/dataplane/(intake|api)/',
          ROOT,
          TEST,
        ],
      },
      { path: '^proto/gen/' },
    ),
    forbid(
      'clients-live-in-adapters',
      'Redis, NATS and gRPC clients are reached through a port that app defines and adapters fill',
      { path: '^services/(?!platform/)[^/]+/', pathNot: ['^services/[^/]+/adapters/', ROOT, TEST] },
      { path: ['^services/platform/(redis|nats)/', String.raw`^services/platform/rpc/client\.ts$`] },
    ),
    forbid(
      'libraries-have-one-home',
      'gRPC, NATS, Redis and telemetry libraries are used through services/platform; adapters know their client too',
      {
        path: '^(services|agents|cli)/',
        pathNot: ['^services/platform/(rpc|nats|redis|telemetry)/', '^services/[^/]+/adapters/', TEST],
      },
      { path: [CLIENTS, 'node_modules/@opentelemetry/(?!api/)'] },
    ),
    forbid(
      'no-fakes-in-production',
      'fakes and fixtures are for tests',
      { path: '^(services|agents|cli|infra)/', pathNot: TEST },
      { path: TEST },
    ),
    forbid(
      'no-dev-dependencies',
      'what runs in production is a dependency, and a listed one',
      { path: '^(services|agents|cli)/', pathNot: TEST },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    ),
    forbid('no-circular', 'a circle is one module in several files', {}, { circular: true }),
    forbid(
      'no-orphans',
      'a module that nobody imports and that imports nobody is either an entry point or left over',
      { orphan: true, pathNot: [TEST, ROOT, '^cli/weft\\.ts$', '^cli/lab/internet\\.ts$', '^infra/'] },
      {},
    ),
    forbid(
      'no-unresolvable',
      'an import that leads nowhere hides from every other rule',
      {},
      { couldNotResolve: true },
    ),
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^proto/gen/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
