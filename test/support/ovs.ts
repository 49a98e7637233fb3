import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Namespace, Namespaces } from '../netns/namespaces.ts';
import { type RealServer, supervise, temporaryDirectory } from './real-servers.ts';
import { startServer } from './server-process.ts';

const run = promisify(execFile);

/** An Open vSwitch of a test's own, in a network namespace of its own, with the userspace datapath. */
export interface Ovs extends AsyncDisposable {
  /** Where ovs-vswitchd keeps its devices: bridges, and what a test plugs in. */
  readonly namespace: Namespace;
  /** Its run directory, log directory and database directory, all in one. */
  readonly dir: string;
  /** OVSDB's socket. */
  readonly dbSocket: string;
  readonly ovsdb: RealServer;
  /** `restart` resolves once the bridges of the database are there again; it needs ovsdb-server. */
  readonly vswitchd: RealServer;
  /** The OpenFlow socket of a bridge. */
  mgmtSocket(bridge: string): string;
  /** A bridge of the userspace datapath, `fail_mode=secure`, with ports for devices that are in the namespace. */
  addBridge(bridge: string, ...ports: readonly string[]): Promise<void>;
  /** Runs ovs-vsctl, which must succeed; it waits until ovs-vswitchd has done it. */
  vsctl(...args: readonly string[]): Promise<string>;
  /** Runs ovs-ofctl, which must succeed; bridges go by their names. */
  ofctl(...args: readonly string[]): Promise<string>;
  /** Runs a line in the namespace as if typed there, where all tools find this Open vSwitch; it must succeed. */
  typed(line: string): Promise<string>;
  /** Runs ovs-appctl on ovs-vswitchd, which must succeed. */
  appctl(...args: readonly string[]): Promise<string>;
}

/** Starts it; `name` is for people who look at what runs. Everything is gone at the end of its scope. */
export const startOvs = async ({ name }: { readonly name: string }): Promise<Ovs> => {
  await using stack = new AsyncDisposableStack();
  const namespaces = stack.use(new Namespaces());
  const namespace = await namespaces.add(name);
  const { path: dir } = stack.use(await temporaryDirectory());
  const file = (base: string): string => path.join(dir, base);
  const dbSocket = file('db.sock');
  const ctlSocket = file('vswitchd.ctl');
  const env = { ...process.env, OVS_RUNDIR: dir, OVS_LOGDIR: dir, OVS_DBDIR: dir, OVS_SYSCONFDIR: dir };
  const say = async (program: string, ...args: readonly string[]): Promise<string> =>
    (await run(program, args, { env, maxBuffer: 1 << 28, timeout: 30_000 })).stdout;
  const vsctl = (...args: readonly string[]): Promise<string> =>
    say('ovs-vsctl', `--db=unix:${dbSocket}`, '--timeout=10', ...args);
  // They go with this process, however it ends.
  const daemon = (program: string, ...args: readonly string[]): [string, ...string[]] => [
    ...(['setpriv', '--pdeathsig', 'KILL', ...namespace.prefix] as const),
    ...['env', ...['RUN', 'LOG', 'DB', 'SYSCONF'].map((what) => `OVS_${what}DIR=${dir}`)],
    ...[program, '--log-file', '-vconsole:off', ...args],
  ];

  await say('ovsdb-tool', 'create', file('conf.db'), '/usr/share/openvswitch/vswitch.ovsschema');
  const ovsdb = stack.use(
    await supervise(dbSocket, () =>
      startServer(daemon('ovsdb-server', file('conf.db'), `--remote=punix:${dbSocket}`), () => listens(dbSocket)),
    ),
  );
  await vsctl('--no-wait', 'init');
  const vswitchd = stack.use(
    await supervise(ctlSocket, () =>
      startServer(
        daemon('ovs-vswitchd', `unix:${dbSocket}`, '--disable-system', `--unixctl=${ctlSocket}`),
        // ovs-vsctl waits until ovs-vswitchd has caught up with the database, but only when it changes something itself.
        () =>
          vsctl('--timeout=1', 'set', 'Open_vSwitch', '.', `external_ids:waited=${randomUUID()}`).then(
            () => true,
            () => false,
          ),
      ),
    ),
  );
  const kept = stack.move();
  return {
    namespace,
    dir,
    dbSocket,
    ovsdb,
    vswitchd,
    mgmtSocket: (bridge) => file(`${bridge}.mgmt`),
    addBridge: async (bridge, ...ports) => {
      const secure = ['datapath_type=netdev', 'fail_mode=secure'];
      await vsctl(
        ...['add-br', bridge, '--', 'set', 'Bridge', bridge, ...secure],
        ...ports.flatMap((port) => ['--', 'add-port', bridge, port]),
      );
    },
    vsctl,
    ofctl: (...args) => say('ovs-ofctl', ...args),
    typed: (line) => say('ip', 'netns', 'exec', namespace.name, 'sh', '-c', line),
    appctl: (...args) => say('ovs-appctl', '-t', ctlSocket, ...args),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
};

const listens = async (socketPath: string): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path: socketPath });
  socket.once('connect', () => {
    resolve(true);
  });
  socket.once('error', () => {
    resolve(false);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
};
