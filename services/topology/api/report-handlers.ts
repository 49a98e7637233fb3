import { invalidField } from '#platform/errors/domain-error.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseDeviceName, parseHostId, parseName, parseUuid } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import type { ReportPortUpRequest, TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { Environment } from '../app/environment.ts';
import type { DeviceReport } from '../app/find-port.ts';
import type { PortHints } from '../app/port-hints.ts';
import { type PortWord, reportPortDown, reportPortFailed } from '../app/report-port-down.ts';
import { reportPortUp } from '../app/report-port-up.ts';
import { optional, readGeneration, readSentence } from './fields.ts';
import { networkMessage } from './network-message.ts';
import { portMessage } from './port-message.ts';

type ReportMethods = 'reportPortUp' | 'reportPortDown' | 'reportPortFailed';

export const reportHandlers = (
  environment: Environment,
  hints: PortHints,
): Pick<Handlers<TopologyServiceService>, ReportMethods> => ({
  reportPortUp: unary(async (request, { signal }) => {
    const { port, network, rebound } = await reportPortUp(environment, hints, readReport(request), signal);
    return { port: portMessage(port), network: networkMessage(network), rebound };
  }),
  reportPortDown: unary(async (request, { signal }) => {
    optional(parseDeviceName, 'device_name', request.device_name);
    return { unbound: await reportPortDown(environment, readWord(request), signal) };
  }),
  reportPortFailed: unary(async (request, { signal }) => {
    const message = readSentence('message', request.message);
    return { recorded: await reportPortFailed(environment, readWord(request), message, signal) };
  }),
});

const readReport = (request: ReportPortUpRequest): DeviceReport => {
  const portId = optional(parseUuid, 'port_id', request.port_id);
  const mac = optional(parseMac, 'mac_address', request.mac_address);
  const networkId = optional(parseUuid, 'network_id', request.network_id);
  const vmId = optional(parseName, 'vm_id', request.vm_id);
  const device = optional(parseDeviceName, 'device_name', request.device_name) ?? '';
  if (device === '' && portId === undefined && mac === undefined) {
    throw invalidField('device_name', '', 'is required where neither port_id nor mac_address is given');
  }
  return {
    hostId: parseHostId('host_id', request.host_id),
    device,
    ...(portId === undefined ? {} : { portId }),
    ...(mac === undefined ? {} : { mac }),
    ...(networkId === undefined ? {} : { networkId }),
    ...(vmId === undefined ? {} : { vmId }),
  };
};

interface WordFields {
  readonly host_id: string;
  readonly port_id: string;
  readonly binding_generation: string;
}

const readWord = (request: WordFields): PortWord => ({
  hostId: parseHostId('host_id', request.host_id),
  portId: parseUuid('port_id', request.port_id),
  generation: readGeneration(request.binding_generation),
});
