import type { Check } from '../check.ts';
import { judged, PASSED, skipped, type Finding } from '../finding.ts';
import { ask, firewalldZone, openPorts } from '../firewall/firewalld.ts';

/** Whether firewalld lets VXLAN in now and not after its next start. */
export const udpPortNotPermanent: Check = {
  id: 'udp-port-not-permanent',
  run: async (survey, { commands }, signal) => {
    if (!survey.kernelTunnels)
      return skipped("Open vSwitch' userspace datapath takes VXLAN before the firewall sees it");
    const zone = await firewalldZone(survey.underlay, commands, signal);
    if (zone === undefined) return PASSED;
    const has = async (port: number, ...permanent: readonly string[]): Promise<boolean> =>
      (await ask(commands, signal, ...permanent, `--zone=${zone}`, `--query-port=${port.toString()}/udp`)) !==
      undefined;
    const fleeting: number[] = [];
    for (const port of survey.udpPorts) if ((await has(port)) && !(await has(port, '--permanent'))) fleeting.push(port);
    return judged(judgePermanence(zone, fleeting));
  },
};

/** `fleeting` are the ports that are open now and not for good. */
const judgePermanence = (zone: string, fleeting: readonly number[]): readonly Finding[] =>
  fleeting.map((port) => ({
    severity: 'warning',
    title: `firewalld lets VXLAN in until its next start only: UDP port ${port}`,
    evidence: [`firewall-cmd --permanent --zone=${zone} --query-port=${port}/udp: no; without --permanent: yes`],
    remedy: openPorts(port, zone),
    fixable: true,
  }));
