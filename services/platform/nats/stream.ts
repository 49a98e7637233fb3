import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

/** A durable log of subjects. Keep subjects that are asked by request and reply out of it: JetStream would answer them. */
export interface StreamSpec {
  readonly name: string;
  readonly subjects: readonly string[];
  /** How long an event is kept for consumers that are away; 24 h unless told otherwise. */
  readonly maxAgeMs?: number;
  /** How long a doubled message id is recognised; 2 min unless told otherwise. */
  readonly duplicateWindowMs?: number;
  /** Copies in a NATS cluster; 1 unless told otherwise. */
  readonly replicas?: number;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const TWO_MINUTES_MS = 2 * 60 * 1_000;

/** Makes the stream, or brings it to what `spec` says. Whoever comes first makes it; doing it again changes nothing. */
export const ensureStream = async (manager: JetStreamManager, spec: StreamSpec): Promise<void> => {
  const wanted = {
    subjects: [...spec.subjects],
    max_age: nanos(spec.maxAgeMs ?? DAY_MS),
    duplicate_window: nanos(spec.duplicateWindowMs ?? TWO_MINUTES_MS),
    num_replicas: spec.replicas ?? 1,
  };
  try {
    const { config } = await manager.streams.info(spec.name);
    const same =
      config.max_age === wanted.max_age &&
      config.duplicate_window === wanted.duplicate_window &&
      config.num_replicas === wanted.num_replicas &&
      config.subjects.toSorted().join() === wanted.subjects.toSorted().join();
    if (!same) await manager.streams.update(spec.name, wanted);
  } catch (error) {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error;
    await manager.streams.add({
      name: spec.name,
      ...wanted,
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
    });
  }
};

/** Whether JetStream's API answered with `code`. */
export const isApiError = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;
