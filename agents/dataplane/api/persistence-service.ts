import type { OperationResult } from '#proto/weft/agent/v1/agent.ts';
import {
  PersistenceFormat as WireFormat,
  PersistenceServiceService,
  PersistenceState,
  type Persistence as WirePersistence,
} from '#proto/weft/agent/v1/persistence.ts';
import { invalidField } from '#platform/errors/domain-error.ts';
import { service, unary, type RpcService } from '#platform/rpc/handlers.ts';
import type { Outcome } from '../model/operation.ts';
import { parseOverlayName } from '../overlay/model/names.ts';
import type { DeviceSetText } from '../persistence/model/parse.ts';
import type { Persistence, PersistenceView } from '../persistence/persistence.ts';
import type { PersistenceFormat } from '../persistence/writers/writer.ts';
import { toWireOutcome } from './wire.ts';

/** weft.agent.v1.PersistenceService over the persistent configuration of one host. */
export const persistenceService = (persistence: Persistence): RpcService =>
  service(PersistenceServiceService, {
    applyPersistence: unary(async ({ name, format, devices, validate_only }, { signal }) => {
      if (name === '' && devices !== undefined) {
        throw invalidField('name', name, 'is missing: devices belong to an overlay, or are called something');
      }
      const wish = {
        ...(name !== '' && { name: parseOverlayName('name', name) }),
        format: parseFormat(format),
        ...(devices !== undefined && { devices }),
      };
      const { views, outcomes } = await persistence.apply(wish, validate_only, signal);
      return { persistence: views.map(toWirePersistence), results: toWireResults(outcomes, validate_only) };
    }),

    getPersistence: unary(async ({ name }, { signal }) =>
      toWirePersistence(await persistence.get(parseOverlayName('name', name), signal)),
    ),

    listPersistence: unary(async (_, { signal }) => ({
      persistence: (await persistence.list(signal)).map(toWirePersistence),
    })),

    deletePersistence: unary(async ({ name, validate_only }, { signal }) => {
      const outcomes = await persistence.delete(parseOverlayName('name', name), validate_only, signal);
      return { results: toWireResults(outcomes, validate_only) };
    }),
  });

const FORMATS = {
  networkmanager: WireFormat.PERSISTENCE_FORMAT_NETWORK_MANAGER,
  ifcfg: WireFormat.PERSISTENCE_FORMAT_IFCFG,
  networkd: WireFormat.PERSISTENCE_FORMAT_NETWORKD,
} as const satisfies Readonly<Record<PersistenceFormat, WireFormat>>;

const parseFormat = (format: WireFormat): PersistenceFormat => {
  for (const name of ['networkmanager', 'ifcfg', 'networkd'] as const) if (FORMATS[name] === format) return name;
  throw invalidField('format', format, 'is none of NETWORK_MANAGER, IFCFG, NETWORKD');
};

const toWirePersistence = ({ record, files, commands, notes, differences }: PersistenceView): WirePersistence => ({
  name: record.name,
  format: FORMATS[record.format],
  follows_overlay: record.isOverlay,
  devices: toWireDevices(record.devices),
  files: files.map(({ path, mode, text }) => ({ path, mode, content: text })),
  commands: [...commands],
  notes: [...notes],
  state:
    differences.length === 0 ? PersistenceState.PERSISTENCE_STATE_IN_SYNC : PersistenceState.PERSISTENCE_STATE_DRIFT,
  differences: [...differences],
});

const toWireDevices = ({ bridges, vxlans, veths, nics }: DeviceSetText): WirePersistence['devices'] => ({
  bridges: bridges.map(({ addresses, ...rest }) => ({ ...rest, addresses: [...addresses] })),
  vxlans: [...vxlans],
  veths: [...veths],
  nics: [...nics],
});

const toWireResults = (outcomes: readonly Outcome[], validateOnly: boolean): OperationResult[] =>
  outcomes.map((outcome) => ({ ...toWireOutcome(outcome), ...(validateOnly && { done: false }) }));
