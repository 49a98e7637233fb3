import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import { contains } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import { boundTo } from '../domain/binding.ts';
import { derivedId } from '../domain/derived-id.ts';
import { ROUTER_INTERFACE_OWNER } from '../domain/device-owner.ts';
import { portHolder } from '../domain/errand.ts';
import { type Port, restated } from '../domain/port.ts';
import { interfaceOn, type Router, type RouterPort, routerPorts, withInterface } from '../domain/router.ts';
import type { Subnet } from '../domain/subnet.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import { floatingIpsBy } from './floating-target.ts';
import { mutate } from './mutate.ts';
import { getRouter } from './queries.ts';
import { networkOf } from './rebind.ts';
import { floatingIpIndex } from './records.ts';
import {
  attachedTo,
  refuseOverlap,
  takePort,
  type TakenPort,
  usableNetworkRecord,
  writeOwnPort,
} from './router-port.ts';
import { Writer } from './write.ts';

/**
 * Gives a router an interface on a subnet, with the subnet's gateway address; see createHeld. A router that has one there
 * is answered as it is. Throws `not_found`; `precondition`: SUBNET_WITHOUT_GATEWAY, SUBNETS_OVERLAP; `exists`
 * ADDRESS_IN_USE when another port has the gateway's address.
 */
export const addSubnetInterface = async (
  environment: Environment,
  { routerId, subnetId }: { readonly routerId: Uuid; readonly subnetId: Uuid },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { records, ipam } = environment;
  const router = await getRouter(environment, routerId, signal);
  if (interfaceOn(router, subnetId) !== undefined) return router;
  const subnet = await ipam.getSubnet(subnetId, signal);
  const address = gatewayOf(subnet);
  const port = {
    id: derivedId('router interface', routerId, subnetId),
    networkId: subnet.networkId,
    deviceOwner: ROUTER_INTERFACE_OWNER,
    deviceId: routerId,
  };
  const attached = [{ id: subnet.id, cidr: subnet.cidr.text }];
  const routerIn = async (tx: Transaction): Promise<Versioned<Router>> => {
    const found = await tx.get(records.routers, routerId);
    if (found === undefined) throw notFound('router', routerId);
    refuseOverlap(routerPorts(found.value), attached);
    await usableNetworkRecord(environment, tx, subnet.networkId);
    return found;
  };
  try {
    return await createHeld<Router, TakenPort>(
      environment,
      {
        holder: portHolder(port),
        answer: records.routers,
        check: async (tx) => {
          await routerIn(tx);
        },
        take: (how, turn) => takePort(environment, port, [{ subnetId, ipAddress: address }], how, turn),
        make: async (tx, taken) => {
          const found = await routerIn(tx);
          const writer = new Writer(environment, tx, mutation.cause);
          await writeOwnPort(environment, tx, writer, port, taken, found.value.placement.hostId);
          const { fixedIps, subnets } = taken;
          const added: RouterPort = { portId: port.id, networkId: port.networkId, fixedIps, subnets };
          return writer.updateRouter(found, withInterface(found.value, added));
        },
      },
      mutation,
      signal,
    );
  } catch (error) {
    if (!(error instanceof DomainError) || mutation.validateOnly) throw error;
    // Perhaps because the same was asked for twice, and the other was faster.
    const now = await getRouter(environment, routerId, signal);
    if (interfaceOn(now, subnetId) === undefined) throw error;
    return now;
  }
};

const gatewayOf = ({ id, cidr, gatewayIp }: Subnet): IpAddress => {
  if (gatewayIp !== undefined && contains(cidr, gatewayIp)) return gatewayIp;
  const message =
    gatewayIp === undefined
      ? `subnet ${id} has no gateway address for the router to take: give the subnet one, or the router a port`
      : `${gatewayIp}, the gateway of subnet ${id}, is no address of ${cidr.text}: give the router a port`;
  throw new DomainError('precondition', 'SUBNET_WITHOUT_GATEWAY', message, { details: { subnet: id } });
};

/**
 * Makes a port that no device has an interface of a router, with the addresses it has. A router that has it is answered as
 * it is. Throws `not_found`, `precondition`: PORT_IN_USE, PORT_WITHOUT_ADDRESS, SUBNETS_OVERLAP.
 */
export const addPortInterface = async (
  environment: Environment,
  { routerId, portId }: { readonly routerId: Uuid; readonly portId: Uuid },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { store, records, ipam } = environment;
  const seen = await store.get(records.ports, portId, signal);
  if (seen === undefined) throw notFound('port', portId);
  const subnets = attachedTo(seen.value.fixedIps, await ipam.listSubnets(seen.value.networkId, signal));
  return await mutate(
    store,
    mutation,
    records.routers,
    async (tx) => {
      const [router, port] = await Promise.all([tx.get(records.routers, routerId), tx.get(records.ports, portId)]);
      if (router === undefined) throw notFound('router', routerId);
      if (port === undefined) throw notFound('port', portId);
      if (router.value.interfaces.some((one) => one.portId === portId)) return router.value;
      await refuseUsedPort(environment, tx, port.value);
      refuseOverlap(routerPorts(router.value), subnets);
      const network = await networkOf(environment, tx, port.value);
      const writer = new Writer(environment, tx, mutation.cause);
      const taken: Port = {
        ...port.value,
        deviceOwner: ROUTER_INTERFACE_OWNER,
        // Names of devices are names.
        deviceId: routerId as string as Port['deviceId'],
        portSecurityEnabled: false,
        allowedAddressPairs: [],
        binding: { ...boundTo(port.value.binding, router.value.placement.hostId), claims: {} },
      };
      await writer.updatePort(port, restated(taken, network.adminStateUp));
      const { networkId, fixedIps } = port.value;
      return writer.updateRouter(router, withInterface(router.value, { portId, networkId, fixedIps, subnets }));
    },
    signal,
  );
};

const refuseUsedPort = async (environment: Environment, tx: Transaction, port: Port): Promise<void> => {
  const { id, deviceId, deviceOwner, binding, fixedIps } = port;
  if (fixedIps.length === 0) {
    throw new DomainError('precondition', 'PORT_WITHOUT_ADDRESS', `port ${id} has no address`, {
      details: { port: id },
    });
  }
  const [floating] = await floatingIpsBy(environment, tx, floatingIpIndex.to(id));
  const by =
    deviceId !== '' || deviceOwner !== ''
      ? `device ${[deviceOwner, deviceId].filter((part) => part !== '').join(' ')} has it`
      : binding.hostId !== undefined
        ? `it is bound to host ${binding.hostId}`
        : floating === undefined
          ? undefined
          : `floating IP ${floating.value.id} leads to it`;
  if (by === undefined) return;
  throw new DomainError('precondition', 'PORT_IN_USE', `port ${id} is in use: ${by}`, { details: { port: id } });
};
