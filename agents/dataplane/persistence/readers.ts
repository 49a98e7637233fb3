import { DomainError } from '#platform/errors/domain-error.ts';
import type { Outcome } from '../model/operation.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { ConfigFiles } from '../sys/config-files.ts';
import type { Readers, TellStep } from './steps.ts';
import type { PersistenceFormat } from './writers/writer.ts';

/** Which of those that read the files run on this host. */
export const findReaders = async (
  commands: CommandRunner,
  files: ConfigFiles,
  signal: AbortSignal,
): Promise<Readers> => ({
  networkManager: await isNetworkManagerRunning(commands, files, signal),
  // networkd's own, in a folder that is empty after a boot.
  networkd: await files.has('/run/systemd/netif/state'),
});

const isNetworkManagerRunning = async (
  commands: CommandRunner,
  files: ConfigFiles,
  signal: AbortSignal,
): Promise<boolean> => {
  if (!(await hasNetworkManager(files))) return false;
  try {
    const { status, stdout } = await commands.run(['nmcli', '-t', '-f', 'RUNNING', 'general'], signal);
    return status === 0 && stdout.trim() === 'running';
  } catch (error) {
    // There are files of it, and no nmcli.
    if (error instanceof DomainError && error.reason === 'TOOL_UNAVAILABLE') return false;
    throw error;
  }
};

/** Whether NetworkManager is on this host, and may start with it. */
export const hasNetworkManager = async (files: ConfigFiles): Promise<boolean> => await files.has('/etc/NetworkManager');

/** What is to be known about files that nobody reads yet. */
export const readerNotes = async (
  format: PersistenceFormat,
  readers: Readers,
  files: ConfigFiles,
): Promise<readonly string[]> => {
  switch (format) {
    case 'networkmanager':
      return readers.networkManager ? [] : ['NetworkManager does not run here: it reads the files when it starts'];
    case 'networkd':
      return readers.networkd ? [] : ['systemd-networkd does not run here: it reads the files when it starts'];
    case 'ifcfg':
      return (await files.has('/etc/sysconfig/network-scripts/network-functions'))
        ? ['the network scripts read the files when the host starts']
        : ['this host has no network scripts (package network-scripts): nothing reads the files'];
  }
};

// What was to be taken away is not there: that is what was wanted.
const GONE = /unknown connection|not found|cannot delete unknown|No such device/i;

/** Tells them; what they answer is in the outcomes. Rejects when the signal aborts. */
export const tellReaders = async (
  commands: CommandRunner,
  steps: readonly TellStep[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const { deadlineMs, ...operation } of steps) {
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    outcomes.push(await tell(commands, operation, options, signal));
  }
  return outcomes;
};

const tell = async (
  commands: CommandRunner,
  operation: Outcome['operation'],
  options: { readonly deadlineMs?: number },
  signal: AbortSignal,
): Promise<Outcome> => {
  try {
    const { status, stderr } = await commands.run(operation.argv, signal, options);
    const words = stderr.trim();
    if (status === 0 || (operation.kind.startsWith('delete-') && GONE.test(words))) return { operation };
    return { operation, error: words === '' ? `exit status ${status.toString()}` : words };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DomainError) return { operation, error: error.message };
    throw error;
  }
};
