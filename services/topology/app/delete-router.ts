import { notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Environment, Mutation } from './environment.ts';
import { deleteReleasing } from './delete-releasing.ts';
import { checkResourceEtag } from './mutate.ts';
import { removeGateway, routerInUse } from './router-gateway.ts';
import { Writer } from './write.ts';

/**
 * Deletes a router and its gateway's port. Throws `not_found`, `conflict` ETAG_MISMATCH, `precondition` ROUTER_IN_USE while
 * it has interfaces.
 */
export const deleteRouter = async (
  environment: Environment,
  { id, etag }: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { records } = environment;
  await deleteReleasing(
    environment,
    mutation,
    async (tx) => {
      const router = await tx.get(records.routers, id);
      if (router === undefined) throw notFound('router', id);
      checkResourceEtag(etag, router.value);
      const [used] = router.value.interfaces;
      if (used !== undefined) throw routerInUse(id, `it has an interface on network ${used.networkId}`, used.portId);
      const writer = new Writer(environment, tx, mutation.cause);
      const { gateway } = router.value;
      writer.deleteRouter(router);
      return gateway === undefined ? undefined : await removeGateway(environment, tx, writer, gateway);
    },
    signal,
  );
};
