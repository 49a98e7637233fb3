import type { SubjectBus } from '#platform/nats/subject-bus.ts';
import { parseUuid } from '#platform/net/names.ts';
import { inTrace } from '#platform/telemetry/spans.ts';
import type { CommitSource } from '#platform/store/store.ts';
import type { Changes, Touched } from '../app/changes.ts';

/** What ipam says of subnets: one token more, the network's id; no content. */
const SUBNET_SUBJECTS = 'weft.ipam.subnets.*';

/** Where words of changes come from. */
export interface ChangeSources {
  readonly bus: SubjectBus;
  /** What this process commits: heard of by NATS, as everybody's, or, while that is away, at once. */
  readonly commits: CommitSource;
  /** Of this service's own events. */
  readonly subjects: string;
  readonly read: (payload: Uint8Array) => Touched | undefined;
}

/** Tells `changes` of all that changes, in whatever replica, until disposed. */
export const hearChanges = ({ bus, commits, subjects, read }: ChangeSources, changes: Changes): AsyncDisposable => {
  const tell = (payload: Uint8Array): void => {
    const touched = read(payload);
    if (touched !== undefined) changes.tell(touched);
  };
  const stack = new AsyncDisposableStack();
  stack.use(
    bus.subscribe(subjects, {}, ({ data, headers }) => {
      inTrace(headers, () => {
        tell(data);
      });
    }),
  );
  stack.use(
    bus.subscribe(SUBNET_SUBJECTS, {}, ({ subject, headers }) => {
      const networkId = parseUuid('subject', subject.split('.').at(-1) ?? '');
      inTrace(headers, () => {
        changes.tell({ kind: 'ipam', networkId });
      });
    }),
  );
  stack.use(
    commits.onCommitted((events) => {
      if (!bus.connected) for (const { payload } of events) tell(payload);
    }),
  );
  stack.use(
    bus.onConnect(() => {
      changes.tell({ kind: 'everything' });
    }),
  );
  return stack;
};
