import { createHash } from 'node:crypto';
import { element, printXml } from '#platform/xml/xml.ts';
import type { XmlElement } from '#platform/xml/xml.ts';
import type { LibvirtFiles } from './libvirt-files.ts';
import type { GuestName } from './names.ts';
import type { GuestPort } from './record.ts';

/** A virtual machine to be described to libvirt. */
export interface MachineSpec {
  readonly name: GuestName;
  readonly port: GuestPort;
  /** The libvirt network of its card. */
  readonly network: string;
  /** Says by `interfaceid` which port it is, as Open vSwitch has room for; else its MAC address has to tell. */
  readonly namesPort: boolean;
  readonly files: Pick<LibvirtFiles, 'kernel' | 'initrd'>;
  /** Where its console is written to, and the socket of its second serial line. */
  readonly console: string;
  readonly serial: string;
}

/** Less does not boot, see docs/guides/kvm.md; what it needs on the host is about twice that. */
const MEMORY_MIB = '96';
/** Of qemu's translations of the guest's code: a kernel that boots once needs no more. */
const TRANSLATIONS_MIB = '16';

/**
 * The domain of a machine for `virsh define`: emulated, since a lab is often a virtual machine itself. Its card finishes all
 * checksums, for Open vSwitch's userspace datapath passes frames on as they are: ping would work without, TCP would not.
 */
export const domainXml = ({ name, port, network, namesPort, files, console, serial }: MachineSpec): string => {
  const mtu = port.mtu.toString();
  const words = [
    ...['console=ttyS0', 'quiet', 'panic=-1', `weft.name=${name}`, `weft.mtu=${mtu}`],
    ...listed(
      'weft.ip',
      port.ips.map(({ address, prefix }) => `${address}/${prefix.toString()}`),
    ),
    ...listed('weft.gw', port.gateways),
  ];
  const domain = element(
    'domain',
    { type: 'qemu' },
    element('name', {}, name),
    element('uuid', {}, machineUuid(port.id)),
    element('memory', { unit: 'MiB' }, MEMORY_MIB),
    element('vcpu', {}, '1'),
    element(
      'os',
      {},
      element('type', { arch: 'x86_64', machine: 'pc' }, 'hvm'),
      element('kernel', {}, files.kernel),
      element('initrd', {}, files.initrd),
      element('cmdline', {}, words.join(' ')),
    ),
    element(
      'features',
      {},
      element('acpi'),
      element('tcg', {}, element('tb-cache', { unit: 'MiB' }, TRANSLATIONS_MIB)),
    ),
    element('on_poweroff', {}, 'destroy'),
    element('on_reboot', {}, 'restart'),
    element('on_crash', {}, 'destroy'),
    element(
      'devices',
      {},
      element('emulator', {}, '/usr/bin/qemu-system-x86_64'),
      interfaceElement({ network, mac: port.mac, mtu: port.mtu, ...(namesPort && { interfaceId: port.id }) }),
      element('serial', { type: 'file' }, element('source', { path: console }), element('target', { port: '0' })),
      element(
        'serial',
        { type: 'unix' },
        element('source', { mode: 'bind', path: serial }),
        element('target', { port: '1' }),
      ),
      element('controller', { type: 'usb', model: 'none' }),
      element('memballoon', { model: 'none' }),
    ),
  );
  return printXml(domain);
};

/** A network card, in a domain or for `virsh attach-device`. */
export interface MachineCard {
  readonly network: string;
  readonly mac: string;
  readonly mtu: number;
  readonly interfaceId?: string;
}

/** A card by itself, for `virsh attach-device`. */
export const cardXml = (card: MachineCard): string => printXml(interfaceElement(card));

const interfaceElement = ({ network, mac, mtu, interfaceId }: MachineCard): XmlElement =>
  element(
    'interface',
    { type: 'network' },
    element('mac', { address: mac }),
    element('source', { network }),
    interfaceId === undefined
      ? undefined
      : element('virtualport', { type: 'openvswitch' }, element('parameters', { interfaceid: interfaceId })),
    element('model', { type: 'virtio' }),
    element(
      'driver',
      { name: 'qemu' },
      element('host', { ...OFF, gso: 'off', mrg_rxbuf: 'off' }),
      element('guest', OFF),
    ),
    element('rom', { enabled: 'no' }),
    element('mtu', { size: mtu.toString() }),
  );

const OFF = { csum: 'off', tso4: 'off', tso6: 'off', ecn: 'off', ufo: 'off' };

const listed = (key: string, values: readonly string[]): readonly string[] =>
  values.length === 0 ? [] : [`${key}=${values.join(',')}`];

/** Not the port's own: a machine and its port are two things, also to whoever compares. */
const machineUuid = (portId: string): string => {
  const digits = createHash('sha256').update(`weft lab machine ${portId}`).digest('hex');
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
};
