import { randomUUID } from 'node:crypto';
import { EventKind } from '#proto/weft/agent/v1/agent.ts';
import { Host } from '#proto/weft/topology/v1/topology.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import type { Command } from '../command.ts';
import type { Column } from '../output/output.ts';
import { usageError } from '../usage.ts';
import { allPages, wholeNumber } from './resolve.ts';

const columns: readonly Column<Host>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATUS', value: ({ status }) => status.replace('HOST_STATUS_', '') },
  { title: 'VTEP', value: ({ vtep_address }) => vtep_address },
  { title: 'UDP', value: ({ udp_port }) => String(udp_port) },
  { title: 'DRIVER', value: ({ driver }) => driver.replace('DRIVER_', '').toLowerCase() },
  { title: 'UNDERLAY MTU', value: ({ underlay_mtu }) => (underlay_mtu === 0 ? '-' : String(underlay_mtu)) },
  {
    title: 'LABELS',
    value: ({ labels }) =>
      Object.entries(labels)
        .map((pair) => pair.join('='))
        .join(' '),
  },
];

const labelsOf = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usageError(`--label: "${text}" is not key=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );

const LABEL = { type: 'string', multiple: true, value: 'KEY=VALUE', doc: 'a label' } as const;

/** `weft host …` */
export const hostCommands: readonly Command[] = [
  {
    path: 'host create',
    summary: 'create a host before its agent registers it',
    args: ['ID', 'VTEP-ADDRESS'],
    flags: { 'udp-port': { type: 'string', value: 'PORT', doc: 'UDP port of its VTEP (default 4789)' }, label: LABEL },
    run: async ({ args, flags, connections, output, signal }) => {
      const host = Host.fromPartial({
        id: args[0] ?? '',
        vtep_address: args[1] ?? '',
        udp_port: wholeNumber('udp-port', flags.text('udp-port')),
        driver: Driver.DRIVER_LINUXBRIDGE,
        labels: labelsOf(flags.list('label')),
      });
      const topology = await connections.topology();
      output.object(await topology.createHost({ host, request_id: randomUUID(), validate_only: false }, { signal }));
      return undefined;
    },
  },
  {
    path: 'host list',
    summary: 'list hosts',
    run: async ({ connections, output, signal }) => {
      const topology = await connections.topology();
      const hosts = await allPages(async (page_token) => {
        const page = await topology.listHosts({ page_token, page_size: 1000 }, { signal });
        return { items: page.hosts, next: page.next_page_token };
      });
      output.rows(hosts, columns);
      return undefined;
    },
  },
  {
    path: 'host get',
    summary: 'show a host',
    args: ['ID'],
    run: async ({ args, connections, output, signal }) => {
      output.object(await (await connections.topology()).getHost({ id: args[0] ?? '' }, { signal }));
      return undefined;
    },
  },
  {
    path: 'host update',
    summary: 'change the labels of a host',
    args: ['ID'],
    flags: { label: LABEL },
    run: async ({ args, flags, connections, output, signal }) => {
      if (!flags.has('label')) throw usageError('nothing to change: give --label');
      const topology = await connections.topology();
      const host = {
        ...(await topology.getHost({ id: args[0] ?? '' }, { signal })),
        labels: labelsOf(flags.list('label')),
      };
      const request = { host, update_mask: ['labels'], request_id: randomUUID(), validate_only: false };
      output.object(await topology.updateHost(request, { signal }));
      return undefined;
    },
  },
  {
    path: 'host delete',
    summary: 'delete hosts without ports',
    args: ['ID...'],
    flags: { force: { type: 'boolean', doc: 'unbind their ports first' } },
    run: async ({ args, flags, connections, output, signal }) => {
      const topology = await connections.topology();
      for (const id of args) {
        const force = flags.on('force');
        await topology.deleteHost({ id, etag: '', request_id: randomUUID(), validate_only: false, force }, { signal });
        output.text(`deleted host ${id}`);
      }
      return undefined;
    },
  },
  {
    path: 'host events',
    summary: 'follow what happens on a host: ports, drift, repairs',
    args: ['ID'],
    details: "Asks the host's agent: in a lab by name, elsewhere at --address (the agent's own). Ends with Ctrl-C.",
    run: async ({ args, connections, output, signal }) => {
      const agent = await connections.agent(args[0] ?? '');
      try {
        for await (const event of agent.watchEvents({ kinds: [] }, { signal })) {
          const kind = event.kind.replace(EventKind.EVENT_KIND_UNSPECIFIED.replace('UNSPECIFIED', ''), '');
          output.text(
            `${event.time ?? ''}  ${kind}  ${event.message}${event.trace_id === '' ? '' : `  (trace ${event.trace_id})`}`,
          );
          for (const { operation, done, error } of event.results) {
            output.text(`    ${done ? '$' : '!'} ${operation?.command ?? ''}${error === '' ? '' : `: ${error}`}`);
          }
          output.data(event);
        }
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
      }
      return undefined;
    },
  },
  {
    path: 'host plan',
    summary: 'what a host would do now to be right, as commands; changes nothing',
    args: ['ID'],
    run: async ({ args, connections, output, signal }) => {
      const agent = await connections.agent(args[0] ?? '');
      const { operations } = await agent.plan({ network_id: '' }, { signal });
      output.data(operations);
      if (operations.length === 0) output.text('nothing to do');
      for (const { command, reason } of operations) output.text(`${command}    # ${reason}`);
      return undefined;
    },
  },
];
