import type { Uuid } from '#platform/net/names.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { type Errand, holderKey, isIdle, restatementKey, type Restatement } from '../domain/errand.ts';
import { restated } from '../domain/port.ts';
import { atOnce } from './at-once.ts';
import type { Environment } from './environment.ts';
import { finishRelease, takeOver } from './errands.ts';
import { portIndex } from './records.ts';
import { Writer } from './write.ts';

const PAGE = 200;

/**
 * Does what was begun and left: gives back what IPAM holds for ports and networks that are gone or never came to be, and
 * gives ports the status that a change of their network brings. Any number of replicas may run it at once. An errand that
 * fails stays for the next run.
 */
export const runErrands = async (environment: Environment, signal: AbortSignal): Promise<void> => {
  const { store, records, clock, log } = environment;
  let after: string | undefined;
  do {
    const page = await store.list(records.errands, { ...(after === undefined ? {} : { after }), limit: PAGE }, signal);
    const due = page.items.map(({ value }) => value).filter((errand) => isIdle(errand, clock.now()));
    await atOnce(due, async (errand) => {
      try {
        await inSpan(`errand ${errand.kind}`, { parent: errand.trace }, () => run(environment, errand, signal));
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ err: error, errand: keyOf(errand) }, 'an errand is tried again later');
      }
    });
    after = page.next;
  } while (after !== undefined);
};

const keyOf = (errand: Errand): string =>
  errand.kind === 'restate' ? restatementKey(errand.networkId) : holderKey(errand.holder);

const run = async (environment: Environment, errand: Errand, signal: AbortSignal): Promise<void> => {
  if (errand.kind === 'restate') {
    await restatePorts(environment, errand, signal);
    return;
  }
  const release = await takeOver(environment, keyOf(errand), signal);
  if (release === undefined) return;
  await finishRelease(environment, release, signal);
  environment.log.info({ holder: keyOf(errand), kind: errand.kind }, 'gave back what IPAM held');
};

/** Ports made or changed meanwhile have the right status by their own commits, which read the network. */
const restatePorts = async (
  environment: Environment,
  { networkId, token }: Restatement,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records } = environment;
  let after: string | undefined;
  do {
    const options = { index: portIndex.ofNetwork(networkId), ...(after === undefined ? {} : { after }), limit: PAGE };
    const page = await store.list(records.ports, options, signal);
    await atOnce(page.items, ({ value }) => restatePort(environment, value.id, signal));
    after = page.next;
  } while (after !== undefined);
  await store.transact(async (tx) => {
    const errand = await tx.get(records.errands, restatementKey(networkId));
    // Another change of the network has put its own errand in this one's place.
    if (errand?.value.token === token) tx.delete(records.errands, restatementKey(networkId), errand.version);
  }, signal);
};

const restatePort = async (environment: Environment, id: Uuid, signal: AbortSignal): Promise<void> => {
  const { store, records } = environment;
  await store.transact(async (tx) => {
    const port = await tx.get(records.ports, id);
    const network = port === undefined ? undefined : await tx.get(records.networks, port.value.networkId);
    if (port === undefined || network === undefined) return;
    const after = restated(port.value, network.value.adminStateUp);
    if (after !== port.value) await new Writer(environment, tx, 'UpdateNetwork').updatePort(port, after);
  }, signal);
};
