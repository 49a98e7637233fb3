import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { OutgoingEvent } from '#platform/store/store.ts';
import { ChangeKind, TopologyEvent } from '#proto/weft/event/v1/event.ts';
import type { Touched } from '../app/changes.ts';
import type { Change, Resource } from '../app/environment.ts';
import { timestamp } from './fields.ts';
import { hostMessage, vtepMessage } from './host-message.ts';
import { networkMessage } from './network-message.ts';
import { floatingIpMessage } from './floating-ip-message.ts';
import { portMessage } from './port-message.ts';
import { routerMessage } from './router-message.ts';

const KINDS = {
  created: ChangeKind.CHANGE_KIND_CREATED,
  updated: ChangeKind.CHANGE_KIND_UPDATED,
  deleted: ChangeKind.CHANGE_KIND_DELETED,
} as const;

/** All subjects of topology's events. */
export const EVENT_SUBJECTS = 'weft.topology.>';
/** The JetStream stream they are kept in. */
export const EVENT_STREAM = 'WEFT_TOPOLOGY';

/** A change as the other services read it. */
export const announce = (change: Change): OutgoingEvent => ({
  subject: `weft.topology.${change.kind}.${idOf(change)}`,
  payload: TopologyEvent.encode({
    kind: KINDS[change.what],
    time: timestamp(change.time),
    cause: change.cause,
    ...resourceMessage(change),
  }).finish(),
  headers: {},
});

const idOf = (resource: Resource): string => {
  switch (resource.kind) {
    case 'host':
      return resource.host.id;
    case 'network':
      return resource.network.id;
    case 'port':
      return resource.port.id;
    case 'router':
      return resource.router.id;
    case 'floating_ip':
      return resource.floatingIp.id;
  }
};

/** A resource and, of a bound port, its VTEP. */
export const resourceMessage = (resource: Resource): Pick<TopologyEvent, 'resource' | 'vtep'> => {
  switch (resource.kind) {
    case 'host':
      return { resource: { $case: 'host', value: hostMessage(resource) } };
    case 'network':
      return { resource: { $case: 'network', value: networkMessage(resource.network) } };
    case 'router':
      return { resource: { $case: 'router', value: routerMessage(resource.router) } };
    case 'floating_ip':
      return { resource: { $case: 'floating_ip', value: floatingIpMessage(resource.floatingIp) } };
    case 'port': {
      const { port, vtep } = resource;
      return {
        resource: { $case: 'port', value: portMessage(port) },
        ...(vtep === undefined ? {} : { vtep: vtepMessage(vtep) }),
      };
    }
  }
};

/** Reads of an announced event what it is about; undefined for what a later version may announce. */
export const touchedBy = (payload: Uint8Array): Touched | undefined => {
  const { resource } = TopologyEvent.decode(payload);
  if (resource === undefined) return undefined;
  // What topology announced is what it has checked.
  const id = resource.value.id as Uuid;
  switch (resource.$case) {
    case 'host':
      return { kind: 'host', id: resource.value.id as HostId };
    case 'network':
      return { kind: 'network', id };
    case 'port': {
      const { network_id: networkId, device_owner: owner, device_id: device, binding_host_id: host } = resource.value;
      return {
        ...{ kind: 'port', id, networkId: networkId as Uuid, hostId: hostOf(host) },
        ...{ deviceOwner: owner as ResourceName, deviceId: device as ResourceName },
      };
    }
    case 'router':
      return { kind: 'router', id, hostId: hostOf(resource.value.binding_host_id) };
    case 'floating_ip': {
      const { router_id: routerId } = resource.value;
      return { kind: 'floating_ip', id, routerId: routerId === '' ? undefined : (routerId as Uuid) };
    }
  }
};

const hostOf = (id: string): HostId | undefined => (id === '' ? undefined : (id as HostId));
