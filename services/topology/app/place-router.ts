import { notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import { boundTo } from '../domain/binding.ts';
import { restated } from '../domain/port.ts';
import { placedOn, type Router, routerPorts } from '../domain/router.ts';
import type { Environment } from './environment.ts';
import { networkOf } from './rebind.ts';
import type { Writer } from './write.ts';

/**
 * Writes `after`, a changed router, in the caller's commit, on `hostId` (undefined: on none); its ports go there with it,
 * those of `fresh` excepted, which are written by the caller.
 */
export const placeRouter = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  before: Versioned<Router>,
  after: Router,
  hostId: HostId | undefined,
  fresh: readonly Uuid[] = [],
): Promise<Router> => {
  const placement = placedOn(after.placement, hostId);
  if (placement !== before.value.placement) {
    const ports = routerPorts(after).filter(({ portId }) => !fresh.includes(portId));
    for (const { portId } of ports) await placePort(environment, tx, writer, portId, hostId);
  }
  return writer.updateRouter(before, { ...after, placement });
};

const placePort = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  id: Uuid,
  hostId: HostId | undefined,
): Promise<void> => {
  const port = await tx.get(environment.records.ports, id);
  if (port === undefined) throw notFound('port', id);
  const binding = boundTo(port.value.binding, hostId);
  if (binding === port.value.binding) return;
  const network = await networkOf(environment, tx, port.value);
  await writer.updatePort(port, restated({ ...port.value, binding }, network.adminStateUp));
};
