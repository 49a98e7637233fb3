import type { LinkEvent } from '../../model/host.ts';
import { jsonObjects, outputOf } from '../../sys/command.ts';
import type { CommandRunner } from '../../sys/command.ts';

type Fields = Readonly<Record<string, unknown>>;

/** libvirt's element by which a virtio device leaves neither checksums nor segments to the host (its "Domain XML format"). */
const LIBVIRT_DRIVER =
  "<driver name='qemu'>" +
  "<host csum='off' gso='off' tso4='off' tso6='off' ecn='off' ufo='off' mrg_rxbuf='off'/>" +
  "<guest csum='off' tso4='off' tso6='off' ecn='off' ufo='off'/></driver>";

/**
 * What makes a guest finish its checksums itself, as the last words of a sentence: the very command, where the other end of a
 * veth pair is found in a namespace that has a name or a process. Asks iproute2 and lsns(8); what they do not know is left open.
 */
export const checksumRemedy = async (
  commands: CommandRunner,
  link: LinkEvent,
  signal: AbortSignal,
): Promise<string> => {
  const say = async (...argv: readonly string[]): Promise<string> => {
    try {
      return await outputOf(commands, argv, signal);
    } catch {
      signal.throwIfAborted();
      return '';
    }
  };
  const ip = async (enter: readonly string[], ...words: readonly string[]): Promise<readonly Fields[]> =>
    jsonObjects('ip -json', await say(...enter, 'ip', '-json', ...words));
  const [device = {}] = await ip([], '-details', 'link', 'show', 'dev', link.name);
  const kind = objectOf(device['linkinfo'])['info_kind'];
  if (kind === 'tun') return ofVm(link.vmId);
  if (kind !== 'veth') return OF_ANY;
  const { link: besides, link_index: peerIndex, link_netnsid: namespaceId } = device;
  if (typeof besides === 'string') return `run: ${off(besides)}`;
  const name = (await ip([], 'netns', 'list-id')).find(({ nsid }) => nsid === namespaceId)?.['name'];
  const enter =
    typeof name === 'string'
      ? ['ip', 'netns', 'exec', name]
      : enterByProcess(
          await say('lsns', '--raw', '--noheadings', '--type', 'net', '--output', 'NETNSID,PID'),
          namespaceId,
        );
  if (enter === undefined) return OF_ANY;
  const peer = (await ip(enter, 'link', 'show')).find(({ ifindex }) => ifindex === peerIndex)?.['ifname'];
  return typeof peer === 'string' ? `run: ${[...enter, off(peer)].join(' ')}` : OF_ANY;
};

/** What enters the namespace of that number, as these lines of number and process have it. */
const enterByProcess = (lines: string, namespaceId: unknown): readonly string[] | undefined => {
  for (const line of lines.split('\n')) {
    const [id, pid = ''] = line.split(' ');
    if (typeof namespaceId === 'number' && id === namespaceId.toString()) return ['nsenter', '-t', pid, '-n'];
  }
  return undefined;
};

const off = (device: string): string => `ethtool -K ${device} tx off`;

const OF_ANY = `run in the guest, DEVICE being its device: ${off('DEVICE')}`;

const ofVm = (vmId: string | undefined): string =>
  `${OF_ANY}; if it is libvirt's, for good: ` +
  `virsh edit ${vmId ?? 'DOMAIN'}, put into this <interface> ${LIBVIRT_DRIVER}, and start it anew`;

const objectOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? { ...value } : {});
