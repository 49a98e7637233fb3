import {
  ExplainServiceService,
  PicturePortKind as WirePortKind,
  ThingKind as WireKind,
  ThingOwner,
  type HostPicture as WirePicture,
  type PictureInterface as WireInterface,
  type PicturePort as WirePort,
  type ServedObject,
  type Thing as WireThing,
} from '#proto/weft/agent/v1/explain.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import { invalidField } from '#platform/errors/domain-error.ts';
import { parseUuid } from '#platform/net/names.ts';
import { service, unary, type RpcService } from '#platform/rpc/handlers.ts';
import type { Explain, Explained } from '../explain/explain.ts';
import { nameOf, type ObjectNames } from '../explain/host-facts.ts';
import type { PictureInterface, PicturePort } from '../explain/picture.ts';
import type { ObjectRef, ThingKind } from '../explain/thing.ts';
import type { Thing } from '../explain/things.ts';
import { WIRE_DRIVER } from './wire.ts';

const KINDS = {
  device: WireKind.THING_KIND_DEVICE,
  namespace: WireKind.THING_KIND_NAMESPACE,
  process: WireKind.THING_KIND_PROCESS,
  file: WireKind.THING_KIND_FILE,
  rule: WireKind.THING_KIND_RULE,
} as const satisfies Readonly<Record<ThingKind, WireKind>>;

const PORT_KINDS = {
  guest: WirePortKind.PICTURE_PORT_KIND_GUEST,
  pair: WirePortKind.PICTURE_PORT_KIND_PAIR,
  tunnel: WirePortKind.PICTURE_PORT_KIND_TUNNEL,
  patch: WirePortKind.PICTURE_PORT_KIND_PATCH,
  interface: WirePortKind.PICTURE_PORT_KIND_INTERFACE,
  other: WirePortKind.PICTURE_PORT_KIND_UNSPECIFIED,
} as const satisfies Readonly<Record<PicturePort['kind'], WirePortKind>>;

const OBJECT_KINDS: readonly string[] = ['', 'network', 'port', 'router', 'overlay'];

/** weft.agent.v1.ExplainService over what an agent sees and remembers. */
export const explainService = (explain: Explain): RpcService =>
  service(ExplainServiceService, {
    explainThing: unary(async ({ kind, name }, { signal }) => {
      const known = Object.entries(KINDS).find(([, wire]) => wire === kind)?.[0];
      if (known === undefined) throw invalidField('kind', kind, 'is not device, namespace, process, file or rule');
      return { things: toWireThings(await explain.thing(known as ThingKind, name, signal)) };
    }),

    listThings: unary(async ({ object_kind, object_id }, { signal }) => {
      if (!OBJECT_KINDS.includes(object_kind))
        throw invalidField('object_kind', object_kind, 'is not network, port, router, overlay or empty');
      if (object_kind !== '' && object_id === '') throw invalidField('object_id', '', 'is required with object_kind');
      if (object_kind !== '' && object_kind !== 'overlay') parseUuid('object_id', object_id);
      const explained = await explain.list(object_kind, object_id, signal);
      const things = explained.things.map((thing) => ({ ...thing, changes: thing.changes.slice(0, 1) }));
      return { things: toWireThings({ ...explained, things }) };
    }),

    getHostPicture: unary(async (_request, { signal }) => {
      const { facts, names, time, bridges, namespaces, interfaces } = await explain.picture(signal);
      const answer: WirePicture = {
        host_id: facts.hostId,
        driver: facts.driver === undefined ? Driver.DRIVER_UNSPECIFIED : WIRE_DRIVER[facts.driver],
        vtep_address: facts.vtep ?? '',
        bridges: bridges.map((bridge) => ({
          name: bridge.name,
          open_vswitch: bridge.openVswitch,
          foreign: bridge.foreign,
          objects: bridge.objects.map((object) => toWireObject(object, names)),
          mtu: bridge.mtu,
          addresses: [...bridge.addresses],
          ports: bridge.ports.map((port) => toWirePort(port, names)),
        })),
        namespaces: namespaces.map((namespace) => ({
          name: namespace.name,
          foreign: namespace.foreign,
          object: optionalObject(namespace.object, names),
          interfaces: namespace.interfaces.map((each) => toWireInterface(each, names)),
          routes: [...namespace.routes],
          processes: [...namespace.processes],
        })),
        interfaces: interfaces.map((each) => toWireInterface(each, names)),
        time: time.toISOString(),
      };
      return answer;
    }),
  });

const toWireObject = (object: ObjectRef, names: ObjectNames): ServedObject => ({
  ...object,
  name: nameOf(object, names),
});

const optionalObject = (object: ObjectRef | undefined, names: ObjectNames): ServedObject | undefined =>
  object === undefined ? undefined : toWireObject(object, names);

const toWireThings = ({ things, names, since }: Explained): WireThing[] =>
  things.map((thing) => ({
    kind: KINDS[thing.kind],
    name: thing.name,
    namespace: thing.namespace,
    owner: thing.isOurs ? ThingOwner.THING_OWNER_WEFT : ThingOwner.THING_OWNER_FOREIGN,
    object: optionalObject(thing.object, names),
    description: thing.description,
    present: thing.present,
    changes: thing.changes.map(({ time, traceId, cause, caller, command, reason, object }) => ({
      ...{ time: new Date(time).toISOString(), trace_id: traceId, cause, caller, command, reason },
      object: optionalObject(object, names),
    })),
    change_count: String(thing.count),
    note: noteOf(thing, since),
  }));

const noteOf = ({ isOurs, changes }: Thing, since: Date | undefined): string => {
  if (!isOurs || changes.length > 0) return '';
  const begin = since === undefined ? 'which is empty' : `which begins at ${since.toISOString()}`;
  return `no change of it is in this host's record, ${begin}; what it is is told by its mark and by what the host should hold`;
};

const toWirePort = (port: PicturePort, names: ObjectNames): WirePort => ({
  device_name: port.device,
  kind: PORT_KINDS[port.kind],
  foreign: port.foreign,
  object: optionalObject(port.object, names),
  machine_id: port.machineId,
  mac_address: port.mac,
  ip_addresses: [...port.ips],
  peer_device_name: port.peer,
  peer_namespace: port.peerNamespace,
  segmentation_id: port.vni,
  remotes: port.remotes.map(({ address, hostId, vnis }) => ({
    ...{ vtep_address: address, host_id: hostId, segmentation_ids: [...vnis] },
  })),
  physical_network: port.physicalNetwork,
  vlan: port.vlan,
});

const toWireInterface = (each: PictureInterface, names: ObjectNames): WireInterface => ({
  device_name: each.device,
  addresses: [...each.addresses],
  uses: [...each.uses],
  object: optionalObject(each.object, names),
  peer_device_name: each.peer,
});
