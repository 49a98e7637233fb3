import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { HostCheckServiceService } from '#proto/weft/agent/v1/host_check.ts';
import { LibvirtNetworkServiceService } from '#proto/weft/agent/v1/libvirt.ts';
import { PersistenceFormat, PersistenceServiceService } from '#proto/weft/agent/v1/persistence.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';
import { labProcesses } from '../../cli/lab/index.ts';
import type { OverlayLab } from '../system/overlay-lab.ts';
import { FuzzedHost } from './support/fuzzed-host.ts';

const [L, P, H] = [LibvirtNetworkServiceService, PersistenceServiceService, HostCheckServiceService];
/** What the services may say to anything at all; the host has no libvirt. */
const CALM = ['OK', 'INVALID_ARGUMENT', 'NOT_FOUND', 'FAILED_PRECONDITION', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'];
const SHELL = '$(reboot); `reboot` | reboot && reboot';
const NAMES = ['', 'a b', '../x', '-x', 'a\nb', SHELL, 'n'.repeat(256), '\u0000', '*'];
const DEVICES = ['', 'sixteen-bytes-16', 'a b', 'a/b', '..', '-x', 'a\nb', 'tap%d', SHELL, '\u0000', 'é'];

/** A request that must be refused, and the field that must be named. */
interface Wrong {
  readonly method: MethodShape;
  readonly request: Readonly<Record<string, unknown>>;
  readonly field: string;
}

const devices = (set: Readonly<Record<string, unknown>>) => ({
  name: 'x',
  format: PersistenceFormat.PERSISTENCE_FORMAT_NETWORKD,
  devices: set,
});
const WRONG: readonly Wrong[] = [
  ...NAMES.flatMap((name) => [
    ...[L.getLibvirtNetwork, L.deleteLibvirtNetwork].map((method) => ({ method, request: { name }, field: 'name' })),
    { method: L.applyLibvirtNetwork, request: { network: { name, bridge: 'br0' } }, field: 'name' },
    ...[P.getPersistence, P.deletePersistence].map((method) => ({ method, request: { name }, field: 'name' })),
  ]),
  ...DEVICES.map((bridge) => ({
    method: L.applyLibvirtNetwork,
    request: { network: { name: 'x', bridge } },
    field: 'bridge',
  })),
  ...['', 'x', SHELL].map((network_id) => ({
    method: L.applyLibvirtNetwork,
    request: { network: { name: 'x', network_id } },
    field: 'network_id',
  })),
  ...DEVICES.map((name) => ({
    method: P.applyPersistence,
    request: devices({ bridges: [{ name }] }),
    field: 'name',
  })),
  ...['x', '10.0.0.0/33', SHELL].map((each) => ({
    method: P.applyPersistence,
    request: devices({ bridges: [{ name: 'br0', addresses: [each] }] }),
    field: 'addresses',
  })),
  ...['x', '1.2.3.4/24', SHELL].map((each) => ({ method: H.checkHost, request: { peers: [each] }, field: 'peers' })),
  ...['x', '10.0.0.1/8', SHELL].map((each) => ({
    method: H.checkHost,
    request: { networks: [each] },
    field: 'networks',
  })),
  ...['nosuch', SHELL].map((each) => ({ method: H.checkHost, request: { only: [each] }, field: 'only' })),
];

describe("bad input to libvirt's networks, what survives a reboot, and host checks", () => {
  let host: FuzzedHost;
  let lab: OverlayLab;

  beforeAll(async () => {
    host = await FuzzedHost.up('whs-fuzz');
    ({ lab } = host);
  });

  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  /** What of the host these services could change, and what runs there. */
  const everything = async (): Promise<unknown> => ({
    links: await lab.on('h1', 'ip', '-br', 'link'),
    files: await lab.on(
      'h1',
      'sh',
      '-c',
      'find /etc/systemd/network /etc/NetworkManager /etc/sysconfig -type f 2>&1 || true',
    ),
    rules: await lab.on('h1', 'nft', 'list', 'ruleset'),
    processes: labProcesses({ lab: lab.name, host: 'h1' }),
    harmless: (await lab.tryOn('h1', 'ls', '/tmp/weft-was-here')).exitCode !== 0,
  });

  const unchangedBy = async (work: () => Promise<void>): Promise<void> => {
    const before = await everything();
    await work();
    // A tool that a call was given up for is there for a moment longer.
    await vi.waitFor(
      async () => {
        expect(await everything()).toEqual(before);
      },
      { timeout: 10_000, interval: 250 },
    );
  };

  test('is INVALID_ARGUMENT with the field, and changes nothing', async () => {
    await unchangedBy(async () => {
      for (const { method, request, field } of WRONG) await host.refuses(method, request, field);
    });
  });

  test('of any shape is answered in kind, and changes nothing', async () => {
    // A host check that is asked nothing amiss looks at the host, for seconds; what it may be asked is above.
    const methods = [...Object.values(L), ...Object.values(P)] as readonly MethodShape[];
    await unchangedBy(async () => {
      await host.staysCalm(methods, { known: ['blue', 'nosuch0'], codes: CALM, batches: 25 });
    });
  });
});
