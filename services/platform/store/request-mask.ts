import { invalidField } from '#platform/errors/domain-error.ts';

/**
 * The fields an update names, each once, as the proto names them. `allowed` are the fields that may change; `prefix` is
 * the resource's name, which a path may bear (`network.name` as well as `name`). An empty mask and `*` mean all of
 * `allowed`. Throws `invalid` on the field `update_mask` for any other path.
 */
export const checkMask = <Field extends string>(
  paths: readonly string[],
  allowed: readonly Field[],
  prefix: string,
): readonly Field[] => {
  if (paths.length === 0 || (paths.length === 1 && paths[0] === '*')) return allowed;
  const named = paths.map((path) => {
    const bare = path.startsWith(`${prefix}.`) ? path.slice(prefix.length + 1) : path;
    const field = allowed.find((name) => name === bare);
    if (field === undefined) throw invalidField('update_mask', path, `is not one of ${allowed.join(', ')}`);
    return field;
  });
  return [...new Set(named)];
};

/** `current` with the members `keys` taken from `wanted`: the very same value when nothing is named. */
export const applyMask = <T extends object, Key extends keyof T>(
  current: T,
  wanted: Pick<T, Key>,
  keys: readonly Key[],
): T => (keys.length === 0 ? current : { ...current, ...Object.fromEntries(keys.map((key) => [key, wanted[key]])) });
