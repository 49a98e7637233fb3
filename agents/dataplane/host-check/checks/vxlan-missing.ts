import type { Check } from '../check.ts';
import { judged, PASSED, run, skipped, type Verdict } from '../finding.ts';
import type { CommandResult } from '../../sys/command.ts';

/** Makes one in a network namespace of its own, which ends with the program and takes it along. */
const TRIAL = [
  ...['unshare', '--net', '--'],
  ...['ip', 'link', 'add', 'weft0', 'type', 'vxlan', 'id', '1', 'local', '127.0.0.1', 'dstport', '4789'],
];

/** Whether the kernel can make VXLAN devices. */
export const vxlanMissing: Check = {
  id: 'vxlan-missing',
  run: async (survey, { commands }, signal) =>
    survey.kernelTunnels
      ? judgeTrial(await commands.run(TRIAL, signal))
      : skipped("Open vSwitch' userspace datapath needs no VXLAN of the kernel's"),
};

/** `Unknown device type` is what iproute2 6 says to EOPNOTSUPP, older ones print the errno's text (ip/iplink.c). */
const UNKNOWN_KIND = /Unknown device type|Operation not supported/;

/** Judges how the trial went. */
export const judgeTrial = ({ status, stderr }: CommandResult): Verdict => {
  if (status === 0) return PASSED;
  const said = stderr.trim();
  if (!UNKNOWN_KIND.test(said)) return skipped(`the trial could not be made: ${said}`);
  return judged([
    {
      severity: 'error',
      title: 'the kernel has no VXLAN',
      evidence: [`ip link add type vxlan: ${said}`],
      remedy: [run('modprobe', 'vxlan')],
    },
  ]);
};
