import { contains, type Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Check } from '../check.ts';
import { judged, PASSED, run, skipped, type Finding } from '../finding.ts';
import { ask } from '../firewall/firewalld.ts';

/** Whether firewalld lets through what comes by the overlay: its filters see that as traffic of the host's own devices. */
export const overlaySourceUntrusted: Check = {
  id: 'overlay-source-untrusted',
  run: async ({ networks, peers, vtep }, { commands }, signal) => {
    if (networks.length === 0) return skipped('no network of an overlay is known: name one with --network');
    if ((await ask(commands, signal, '--state')) !== 'running') return PASSED;
    const has = async (source: string, ...permanent: readonly string[]): Promise<boolean> =>
      (await ask(commands, signal, ...permanent, '--zone=trusted', `--query-source=${source}`)) !== undefined;
    const sources = await Promise.all(
      networks.map(async (network) => ({
        network,
        now: await has(network.text),
        forGood: await has(network.text, '--permanent'),
      })),
    );
    const vteps = [...(vtep === undefined ? [] : [vtep]), ...peers.map(({ address }) => address)];
    return judged(judgeSources(sources, vteps));
  },
};

/** A network of overlays, and whether firewalld trusts it. */
export interface OverlaySource {
  readonly network: Cidr;
  readonly now: boolean;
  readonly forGood: boolean;
}

/** A network that the underlay is part of is trusted by nobody but the operator. */
const judgeSources = (sources: readonly OverlaySource[], vteps: readonly IpAddress[]): readonly Finding[] =>
  sources
    .filter(({ now, forGood }) => !now || !forGood)
    .map(({ network, now }) => {
      const inside = vteps.find((vtep) => contains(network, vtep));
      return {
        severity: 'warning',
        title: `firewalld does not trust what comes from the overlay: ${network.text}${now ? ', from its next start on' : ''}`,
        evidence: [
          `firewall-cmd ${now ? '--permanent ' : ''}--zone=trusted --query-source=${network.text}: no`,
          ...(inside === undefined ? [] : [`${inside} of the underlay lies in it, and would be trusted as well`]),
        ],
        remedy: [
          run('firewall-cmd', '--zone=trusted', `--add-source=${network.text}`),
          run('firewall-cmd', '--permanent', '--zone=trusted', `--add-source=${network.text}`),
        ],
        fixable: inside === undefined,
      };
    });
