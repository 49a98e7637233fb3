import { LibvirtNetworkServiceService, type LibvirtNetwork } from '#proto/weft/agent/v1/libvirt.ts';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { parseDeviceName, parseUuid } from '#platform/net/names.ts';
import { service, unary, type RpcService } from '#platform/rpc/handlers.ts';
import type { LibvirtNetworks, LibvirtView } from '../libvirt/networks.ts';
import { parseLibvirtName } from '../libvirt/spec.ts';
import type { LibvirtSpec } from '../libvirt/spec.ts';
import { toWireOutcome } from './wire.ts';
import type { Outcome } from '../model/operation.ts';

/** weft.agent.v1.LibvirtNetworkService over the libvirt of one host. */
export const libvirtService = (networks: LibvirtNetworks): RpcService =>
  service(LibvirtNetworkServiceService, {
    applyLibvirtNetwork: unary(async ({ network, force, validate_only }, { signal }) => {
      if (network === undefined) {
        throw new DomainError('invalid', 'INVALID_FIELD', 'network: is missing', {
          violations: [{ field: 'network', description: 'is missing' }],
        });
      }
      const options = { force, validateOnly: validate_only };
      const { view, outcomes, xml } = await networks.apply(parseSpec(network), options, signal);
      return { network: toWire(view), results: results(outcomes, validate_only), xml };
    }),

    getLibvirtNetwork: unary(async ({ name }, { signal }) =>
      toWire(await networks.get(parseLibvirtName('name', name), signal)),
    ),

    listLibvirtNetworks: unary(async (_request, { signal }) => ({
      networks: (await networks.list(signal)).map(toWire),
    })),

    deleteLibvirtNetwork: unary(async ({ name, force, validate_only }, { signal }) => {
      const options = { force, validateOnly: validate_only };
      const outcomes = await networks.delete(parseLibvirtName('name', name), options, signal);
      return { results: results(outcomes, validate_only) };
    }),
  });

const parseSpec = ({ name, target, autostart }: LibvirtNetwork): LibvirtSpec => {
  const base = { name: parseLibvirtName('network.name', name), autostart: autostart ?? true };
  switch (target?.$case) {
    case 'network_id':
      return { ...base, target: { networkId: parseUuid('network.network_id', target.value) } };
    case 'bridge':
      return { ...base, target: { bridge: parseDeviceName('network.bridge', target.value) } };
    case undefined:
      throw invalidField('network.target', '', 'is missing: give network_id or bridge');
  }
};

const results = (outcomes: readonly Outcome[], isPlan: boolean) =>
  outcomes.map((outcome) => ({ ...toWireOutcome(outcome), ...(isPlan && { done: false }) }));

const toWire = ({ name, spec, observed, cards, problems, mtu }: LibvirtView): LibvirtNetwork => {
  const definition = observed?.active ?? observed?.defined;
  const target = spec?.target;
  return {
    name,
    target:
      target === undefined
        ? undefined
        : 'networkId' in target
          ? { $case: 'network_id', value: target.networkId }
          : { $case: 'bridge', value: target.bridge },
    autostart: observed?.autostart ?? spec?.autostart ?? false,
    bridge_name: definition?.bridge ?? '',
    openvswitch: definition?.virtualPort === 'openvswitch',
    mtu,
    uuid: definition?.uuid ?? '',
    active: observed?.active !== undefined,
    managed: spec !== undefined,
    cards: cards.map(({ domain, device, mac }) => ({ domain_name: domain, device_name: device, mac_address: mac })),
    problems: [...problems],
  };
};
