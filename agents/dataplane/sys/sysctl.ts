import { readFileSync, writeFileSync } from 'node:fs';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { outputOf } from './command.ts';
import type { CommandRunner } from './command.ts';

/** Kernel settings by their dotted names, e.g. `net.ipv6.conf.brq0a1b2c3d-44.disable_ipv6`; a slash stands for a dot. */
export interface Sysctl {
  /** The value, undefined where there is no such setting (its device is gone, or the kernel lacks it). */
  read(name: string, signal: AbortSignal): Promise<string | undefined>;
  /** Rejects with `not_found` where there is no such setting. */
  write(name: string, value: string, signal: AbortSignal): Promise<void>;
}

const pathOf = (name: string): string =>
  `/proc/sys/${name.replaceAll(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))}`;

const isAbsent = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/**
 * The settings of this process' own network namespace, as files: no program is started. They are the kernel's memory, so
 * they are read and written at once; by way of other threads each would cost three changes of thread and more.
 */
export const ownSysctl: Sysctl = {
  read: async (name, signal) => {
    signal.throwIfAborted();
    try {
      return await Promise.resolve(readFileSync(pathOf(name), 'utf8').trim());
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  },
  write: async (name, value, signal) => {
    signal.throwIfAborted();
    try {
      // Not created when absent: the files are the kernel's.
      writeFileSync(pathOf(name), value, { flag: 'r+' });
      await Promise.resolve();
    } catch (cause) {
      const reason = `${name}: ${toError(cause).message}`;
      throw new DomainError(isAbsent(cause) ? 'not_found' : 'internal', 'SYSCTL_FAILED', reason, { cause });
    }
  },
};

/** The same by `sysctl`, for the namespace that `commands` enters. */
export const sysctlByCommand = (commands: CommandRunner): Sysctl => ({
  read: async (name, signal) => {
    const { status, stdout } = await commands.run(['sysctl', '-n', name], signal);
    return status === 0 ? stdout.trim() : undefined;
  },
  write: async (name, value, signal) => {
    await outputOf(commands, ['sysctl', '-q', '-w', `${name}=${value}`], signal);
  },
});

/** Whether all of these, as `name=value`, are as they say; those that the kernel does not have are. */
export const areSet = async (sysctl: Sysctl, settings: readonly string[], signal: AbortSignal): Promise<boolean> => {
  const right = await Promise.all(
    settings.map(async (setting) => {
      const [name = '', value] = setting.split('=');
      const found = await sysctl.read(name, signal);
      // Where IPv6 is not in the kernel there is nothing to shut.
      return found === value || found === undefined;
    }),
  );
  return right.every(Boolean);
};

/** Writes all of these, as `name=value`; what was said against some of them, if anything. */
export const writeAll = async (
  sysctl: Sysctl,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> => {
  const failures = await Promise.all(
    settings.map(async (setting) => {
      const [name = '', value = ''] = setting.split('=');
      try {
        await sysctl.write(name, value, signal);
        return undefined;
      } catch (error) {
        return toError(error).message;
      }
    }),
  );
  return failures.filter((failure) => failure !== undefined).join('; ') || undefined;
};
