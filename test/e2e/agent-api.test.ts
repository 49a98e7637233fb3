import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { inPlace, kernelTables } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';

describe('the API of an agent', () => {
  let lab: LabWeft;
  let network: Network;
  let vxlan: string;

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'e2e-agent', hosts: 2 });
    network = await lab.network({ name: 'api', auto_ports: true });
    await lab.subnet(network, '10.7.0.0/24');
    vxlan = `vxlan-${network.segmentation_id.toString()}`;
    await lab.boot('a1', 'h1', await lab.port(network, { name: 'a1' }), network);
    await lab.boot('a2', 'h2', await lab.port(network, { name: 'a2' }), network);
    await lab.inSync(network.id, 2);
  });

  afterAll(async () => {
    await lab.down();
  });

  test('says what the host holds, and that there is nothing to do', async () => {
    const agent = await lab.connections.agent('h1');
    const state = await agent.getHostState({});
    expect(state).toMatchObject({ host_id: 'h1', vtep: { address: '192.0.2.11', udp_port: 4789 }, underlay_mtu: 1500 });
    expect(state.control_plane).toEqual({ topology: true, l2pop: true, bus: true });
    expect(state.networks).toMatchObject([{ network_id: network.id, vxlan_name: vxlan, mtu: 1450, entry_count: 1 }]);
    expect(state.ports).toMatchObject([{ plugged: true, message: '' }]);
    expect((await agent.plan({ network_id: '' })).operations).toEqual([]);
  });

  test('plans what would mend the host, with commands and reasons, and changes nothing; applies it; is then right', async () => {
    const agent = await lab.connections.agent('h1');
    const before = await kernelTables(lab.name, 'h1', vxlan);
    const [address] = [...before.neighbours.keys()];
    // Taken away and looked at in one go, before the agent by itself has mended it.
    const planned = inPlace({ lab: lab.name, host: 'h1' }, ['ip', 'neigh', 'del', address ?? '', 'dev', vxlan]).then(
      async () => agent.plan({ network_id: network.id }),
    );
    const { operations } = await planned;
    if (operations.length > 0) {
      expect(operations).toMatchObject([{ kind: 'replace-neighbour', network_id: network.id }]);
      expect(operations[0]?.command).toBe(
        `ip neigh replace ${address ?? ''} lladdr ${before.neighbours.get(address ?? '') ?? ''} nud permanent dev ${vxlan}`,
      );
    }
    await agent.apply({ network_id: network.id });
    expect(await kernelTables(lab.name, 'h1', vxlan)).toEqual(before);
    expect((await agent.apply({ network_id: '' })).results).toEqual([]);
  });

  test('keeps flood destinations added by hand until they are removed, across a restart of the agent', async () => {
    const agent = await lab.connections.agent('h1');
    await agent.addFloodDestination({ network_id: network.id, vtep_address: '192.0.2.99' });
    expect((await kernelTables(lab.name, 'h1', vxlan)).flood).toEqual(['192.0.2.12', '192.0.2.99']);
    await lab.inSync(network.id, 2);
    const { agentRestart } = await import('../../cli/lab/index.ts');
    await agentRestart({ lab: lab.name, host: 'h1' }, AbortSignal.timeout(30_000));
    const restarted = await lab.connections.agent('h1');
    const { destinations } = await restarted.listFloodDestinations({ network_id: network.id });
    expect(destinations.map(({ vtep_address, manual, programmed }) => [vtep_address, manual, programmed])).toEqual([
      ['192.0.2.12', false, true],
      ['192.0.2.99', true, true],
    ]);
    await expect(
      restarted.removeFloodDestination({ network_id: network.id, vtep_address: '192.0.2.12' }),
    ).rejects.toMatchObject({ code: 'precondition' });
    await restarted.removeFloodDestination({ network_id: network.id, vtep_address: '192.0.2.99' });
    expect((await kernelTables(lab.name, 'h1', vxlan)).flood).toEqual(['192.0.2.12']);
    await expect(
      restarted.addFloodDestination({ network_id: network.id, vtep_address: '2001:db8::1' }),
    ).rejects.toMatchObject({
      code: 'invalid',
      violations: [{ field: 'vtep_address' }],
    });
  });

  test('plugs a device of any name into a port, and unplugs it', async () => {
    const port = await lab.port(network, { name: 'named' });
    const host = { lab: lab.name, host: 'h2' };
    await inPlace(host, ['ip', 'tuntap', 'add', 'dev', 'vnet7', 'mode', 'tap']);
    const agent = await lab.connections.agent('h2');
    await eventually('the agent sees the device', async () => {
      const { port: plugged } = await agent.attachPort({ port_id: port.id, device_name: 'vnet7' });
      return plugged?.plugged === true;
    });
    await lab.converged(network.id, 3);
    expect((await kernelTables(lab.name, 'h1', vxlan)).fdb.get(port.mac_address)).toBe('192.0.2.12');
    await agent.detachPort({ port_id: port.id });
    await lab.converged(network.id, 2);
    expect((await kernelTables(lab.name, 'h1', vxlan)).fdb.has(port.mac_address)).toBe(false);
    await inPlace(host, ['ip', 'link', 'del', 'vnet7']);
  });

  test('makes a port of an unknown device in the bridge of a network with auto_ports', async () => {
    const host = { lab: lab.name, host: 'h2' };
    await inPlace(host, [
      'ip',
      'link',
      'add',
      'guest0',
      'address',
      '52:54:00:00:00:07',
      'type',
      'veth',
      'peer',
      'name',
      'guest0p',
    ]);
    await inPlace(host, ['ip', 'link', 'set', 'guest0', 'master', `brq${network.id.slice(0, 11)}`, 'up']);
    await lab.converged(network.id, 3);
    const topology = await lab.connections.topology();
    const { ports } = await topology.listPorts({
      network_id: network.id,
      page_size: 0,
      page_token: '',
      binding_host_id: '',
      name: '',
    });
    const made = ports.find(({ mac_address }) => mac_address === '52:54:00:00:00:07');
    expect(made).toMatchObject({ binding_host_id: 'h2', status: 'STATUS_ACTIVE' });
    expect(made?.fixed_ips).toHaveLength(1);
    await inPlace(host, ['ip', 'link', 'del', 'guest0']);
    await lab.converged(network.id, 2);
  });

  test('takes a port down and up again as its administrator says, though its device stays', async () => {
    const topology = await lab.connections.topology();
    const { ports } = await topology.listPorts({
      network_id: '',
      page_size: 0,
      page_token: '',
      binding_host_id: '',
      name: 'a2',
    });
    const [port] = ports;
    if (port === undefined) throw new Error('no port a2');
    const [{ ip_address } = { ip_address: '' }] = port.fixed_ips;
    const update = async (up: boolean): Promise<void> => {
      const request = {
        port: { ...port, etag: '', admin_state_up: up },
        update_mask: ['admin_state_up'],
        request_id: '',
        validate_only: false,
      };
      await topology.updatePort(request);
    };
    await update(false);
    await lab.converged(network.id, 1);
    expect((await ping(lab.name, 'a1', ip_address, 1)).received).toBe(0);
    await update(true);
    await lab.converged(network.id, 2);
    await eventually('it is reached again', async () => (await ping(lab.name, 'a1', ip_address, 1)).received === 1);
  });

  test('streams what happens: a port that comes and goes', async () => {
    const agent = await lab.connections.agent('h1');
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { kind } of agent.watchEvents({ kinds: [] }, { signal: stop.signal })) seen.push(kind);
    })().catch(() => undefined);
    const port = await lab.port(network, { name: 'seen' });
    await eventually('the stream is open', async () => {
      await agent.resync({ network_id: '' });
      return seen.includes('EVENT_KIND_RESYNC');
    });
    await lab.boot('seen', 'h1', port, network);
    await lab.converged(network.id, 3);
    await lab.kill('seen');
    await lab.converged(network.id, 2);
    await eventually(
      'both events came',
      () => seen.includes('EVENT_KIND_PORT_UP') && seen.includes('EVENT_KIND_PORT_DOWN'),
    );
    stop.abort();
    await watching;
  });
});
