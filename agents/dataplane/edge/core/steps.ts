import type { EdgeAct, EdgeKind, EdgeStep } from './model.ts';
import { namespaceName } from './names.ts';

/** The key of all steps that make or end a namespace. */
export const namespaceKey = (name: string): string => `netns:${name}`;

/** Makes the steps about one namespace. */
export interface StepMaker {
  /** `ip …` on the host. */
  host(kind: string, key: string, words: readonly string[], reason: string, more?: StepMore): EdgeStep;
  /** `ip -n NAMESPACE …`. */
  inside(kind: string, key: string, words: readonly string[], reason: string, more?: StepMore): EdgeStep;
  /** `ip netns exec NAMESPACE …`. */
  exec(kind: string, key: string, argv: readonly string[], reason: string, more?: StepMore): EdgeStep;
}

interface StepMore {
  readonly networkId?: string;
  readonly portId?: string;
  /** Beside the namespace, which all but steps of the host need. */
  readonly needs?: readonly string[];
  readonly act?: EdgeAct;
}

/** Steps about the namespace of a duty; for DHCP the id is that of the network. */
export const stepMaker = (kind: EdgeKind, id: string): StepMaker => {
  const name = namespaceName(kind, id);
  const step = (
    what: string,
    key: string,
    argv: readonly string[],
    reason: string,
    { networkId = kind === 'dhcp' ? id : undefined, portId, needs, act }: StepMore,
  ): EdgeStep => ({
    kind: what,
    key: `${key}@${name}`,
    argv,
    reason,
    ...(networkId !== undefined && { networkId }),
    ...(portId !== undefined && { portId }),
    ...(needs !== undefined && { needs: needs.map((each) => `${each}@${name}`) }),
    ...(act !== undefined && { act }),
  });
  const own = namespaceKey(name);
  return {
    host: (what, key, words, reason, more = {}) =>
      step(what, key, ['ip', ...words], reason, { act: { kind: 'ip' }, ...more }),
    inside: (what, key, words, reason, more = {}) =>
      step(what, key, ['ip', '-n', name, ...words], reason, {
        act: { kind: 'ip' },
        ...more,
        needs: [own, ...(more.needs ?? [])],
      }),
    exec: (what, key, argv, reason, more = {}) =>
      step(what, key, ['ip', 'netns', 'exec', name, ...argv], reason, { ...more, needs: [own, ...(more.needs ?? [])] }),
  };
};
