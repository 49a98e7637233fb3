import { fileURLToPath } from 'node:url';
import { DomainError } from '#platform/errors/domain-error.ts';
import { GUEST_DEVICE } from './guest-port.ts';
import { LAB_MARK } from './names.ts';
import type { GuestName, NamespaceName } from './names.ts';
import { Tools } from './run.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';

const SCRIPT = fileURLToPath(new URL('../../infra/guest-dhcp.sh', import.meta.url));
/** Times that it asks, a second apart: the server may be about to be made. */
const ASKS = '10';
/** MTU (26) and classless routes (121), which udhcpc only asks for when told to. */
const MORE = ['-O', 'mtu', '-O', 'staticroutes'];

/**
 * Has a guest ask for its address as a machine does that boots: udhcpc sets its address, MTU and routes, and writes its name
 * servers to its own `resolv.conf`. Rejects with `precondition` when nobody gives it one.
 */
export const askForAddress = async (
  store: LabStore,
  { name, namespace, labId }: { readonly name: GuestName; readonly namespace: NamespaceName; readonly labId: string },
  signal: AbortSignal,
): Promise<void> => {
  const tools = new Tools({ [LAB_MARK]: labId, RESOLV_CONF: store.resolvPath(name) });
  const client = [
    toolPath('udhcpc'),
    '-i',
    GUEST_DEVICE,
    '-f',
    '-n',
    '-q',
    '-t',
    ASKS,
    '-T',
    '1',
    ...MORE,
    '-s',
    SCRIPT,
  ];
  const { exitCode, stderr } = await tools.attempt('ip', ['netns', 'exec', namespace, ...client], signal);
  if (exitCode === 0) return;
  throw new DomainError(
    'precondition',
    'NO_LEASE',
    `guest ${name} was given no address (${stderr.trim().split('\n').at(-1) ?? ''}): is a host of role network up, and DHCP on in its subnet?`,
  );
};
