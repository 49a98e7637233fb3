import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { Span } from '#proto/weft/trace/v1/trace.ts';
import { sleep } from '#platform/async/sleep.ts';
import { LabWeft } from '../system/lab-weft.ts';

/** The spans of one trace as an indented text, siblings in name order: what happened, not when. */
const outline = (spans: readonly Span[], port: Port): string => {
  const ids = new Set(spans.map(({ span_id }) => span_id));
  const under = (parent: string): readonly Span[] =>
    spans.filter(({ parent_span_id }) => (ids.has(parent_span_id) ? parent_span_id : '') === parent);
  const label = ({ name, service, host_id }: Span): string => {
    const where = host_id === '' ? service : host_id;
    return `${where}: ${name.replace(port.id, '<port>').replace(/^weft\.\w+\.v1\./, '')}`;
  };
  const lines = (parent: string, depth: number): readonly string[] =>
    [...under(parent)]
      .sort((a, b) => label(a).localeCompare(label(b)))
      .flatMap((span) => [
        '  '.repeat(depth) + label(span),
        // The rules of a port are many words, and have tests of their own.
        ...span.commands.map(
          (command) => `${'  '.repeat(depth + 1)}$ ${command.startsWith('nft ') ? 'nft …' : command}`,
        ),
        ...lines(span.span_id, depth + 1),
      ]);
  return lines('', 0).join('\n');
};

describe('the trace of one boot on three hosts', () => {
  let lab: LabWeft;
  let network: Network;

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'e2e-trace', hosts: 3 });
    network = await lab.network({ name: 'traced' });
    await lab.subnet(network, '10.6.0.0/24');
    for (const [index, host] of lab.hosts.entries()) {
      await lab.boot(`w${index.toString()}`, host, await lab.port(network), network);
    }
    await lab.inSync(network.id, 3);
  });

  afterAll(async () => {
    await lab.down();
  });

  /** The trace that begins where the tap was detected, once all its spans have come. */
  const bootTrace = async (port: Port): Promise<readonly Span[]> => {
    const traces = await lab.connections.trace();
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const { traces: found } = await traces.listTraces({ object_kind: 'port', object_id: port.id, page_size: 20 });
      const whole = found.find(({ spans }) => {
        const ids = new Set(spans.map(({ span_id }) => span_id));
        // Each process sends its spans in its own time: a parent may come after its children.
        if (spans.filter(({ parent_span_id }) => !ids.has(parent_span_id)).length !== 1) return false;
        const names = spans.map(({ name }) => name);
        return names.includes('agent.port-up') && names.filter((name) => name === 'agent.apply').length === 4;
      });
      if (whole !== undefined) return whole.spans;
      await sleep(100, AbortSignal.timeout(5_000));
    }
    throw new Error('the trace did not become whole');
  };

  test('is one tree: detection, the call, each Redis script, each publish, each host with its commands', async () => {
    const port = await lab.port(network);
    const guest = await lab.boot('traced', 'h2', port, network);
    await lab.converged(network.id, 4);
    const vxlan = `vxlan-${network.segmentation_id.toString()}`;
    const [{ ip_address } = { ip_address: '' }] = port.fixed_ips;
    const remote = (host: string): readonly string[] => [
      `            ${host}: agent.apply`,
      `              $ bridge fdb replace ${port.mac_address} dev ${vxlan} dst 192.0.2.12 self master static`,
      `              $ ip neigh replace ${ip_address} lladdr ${port.mac_address} nud permanent dev ${vxlan}`,
    ];
    expect(outline(await bootTrace(port), port).split('\n')).toEqual([
      'h2: agent.port-up',
      '  $ nft …',
      '  h2: agent.apply',
      `    $ ip link set dev ${guest.tap} alias weft:port:${port.id} mtu 1450 master brq${network.id.slice(0, 11)}`,
      `    $ ip link set dev ${guest.tap} type bridge_slave learning off`,
      `    $ ip link set dev ${guest.tap} up`,
      `    $ bridge fdb replace ${port.mac_address} dev ${guest.tap} master static`,
      '  h2: TopologyService/ReportPortUp',
      '    weft: TopologyService/ReportPortUp',
      '      l2pop: consume l2pop',
      '        l2pop: l2pop.apply',
      '          l2pop: publish weft.forwarding',
      ...remote('h1'),
      '            h2: agent.apply',
      ...remote('h3'),
      '          l2pop: redis.apply l2pop',
      '      weft: publish weft.topology.port.<port>',
      '      weft: redis.commit topology',
    ]);
  });

  test('a port taken away is one trace too, to the rows it takes from each kernel', async () => {
    const port = await lab.port(network);
    await lab.boot('gone', 'h1', port, network);
    await lab.inSync(network.id, 5);
    await lab.kill('gone');
    await lab.converged(network.id, 4);
    const traces = await lab.connections.trace();
    for (let attempt = 0; ; attempt += 1) {
      const { traces: found } = await traces.listTraces({ object_kind: 'port', object_id: port.id, page_size: 20 });
      const down = found.find(({ spans }) => spans.some(({ name }) => name === 'agent.port-down'));
      const removed = (down?.spans ?? []).filter(({ commands }) =>
        commands.some((command) => command.startsWith('bridge fdb del')),
      );
      if (new Set(removed.map(({ host_id }) => host_id)).size >= 2) break;
      if (attempt > 60)
        throw new Error(`not one trace: ${JSON.stringify(down?.spans.map(({ name, host_id }) => [name, host_id]))}`);
      await sleep(100, AbortSignal.timeout(5_000));
    }
  });
});
