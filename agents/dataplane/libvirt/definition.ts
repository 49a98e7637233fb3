import { childOf, childrenOf, element, parseXml, printXml, textOf } from '#platform/xml/xml.ts';
import type { LibvirtWish } from './spec.ts';
import type { MachineCard, NetworkDefinition } from './observed.ts';

/** What `virsh net-define` is given (libvirt, formatnetwork.html, "Using an existing host bridge"). */
export const networkXml = ({ name, bridge, openvswitch, uuid }: LibvirtWish): string =>
  printXml(
    element(
      'network',
      {},
      element('name', {}, name),
      element('uuid', {}, uuid),
      element('forward', { mode: 'bridge' }),
      element('bridge', { name: bridge }),
      openvswitch ? element('virtualport', { type: 'openvswitch' }) : undefined,
    ),
  );

/** Reads what `virsh net-dumpxml` prints. Throws `internal` NOT_XML. */
export const readNetwork = (xml: string): NetworkDefinition => {
  const network = parseXml('virsh net-dumpxml', xml);
  const forward = childOf(network, 'forward');
  return {
    uuid: textOf(childOf(network, 'uuid')),
    forward: forward === undefined ? 'isolated' : (forward.attributes['mode'] ?? 'nat'),
    bridge: childOf(network, 'bridge')?.attributes['name'] ?? '',
    virtualPort: childOf(network, 'virtualport')?.attributes['type'],
  };
};

/** Reads what `virsh dumpxml` prints of a machine that runs: its cards that have a device on the host. Throws `internal`. */
export const readCards = (xml: string): readonly MachineCard[] => {
  const domain = parseXml('virsh dumpxml', xml);
  const devices = childOf(domain, 'devices');
  if (devices === undefined) return [];
  return childrenOf(devices, 'interface').flatMap((card): readonly MachineCard[] => {
    const device = childOf(card, 'target')?.attributes['dev'];
    const mac = childOf(card, 'mac')?.attributes['address'];
    if (device === undefined || mac === undefined) return [];
    const source = childOf(card, 'source')?.attributes;
    return [
      {
        domain: textOf(childOf(domain, 'name')),
        domainUuid: textOf(childOf(domain, 'uuid')),
        device,
        mac: mac.toLowerCase(),
        network: source?.['network'],
        bridge: source?.['bridge'],
        interfaceId: childOf(card, 'virtualport', 'parameters')?.attributes['interfaceid'],
      },
    ];
  });
};
