import type { Check } from '../check.ts';
import { bridgeFiltered } from './bridge-filtered.ts';
import { checksumOffload } from './checksum-offload.ts';
import { clockSkew } from './clock-skew.ts';
import { networkManager } from './network-manager.ts';
import { networkd } from './networkd.ts';
import { ovsMissing, ovsNotRunning, ovsTooOld } from './open-vswitch.ts';
import { overlaySourceUntrusted } from './overlay-source-untrusted.ts';
import { ovsDatapath } from './ovs-datapath.ts';
import { rpFilter } from './rp-filter.ts';
import { udpPortBlocked } from './udp-port-blocked.ts';
import { udpPortNotPermanent } from './udp-port-not-permanent.ts';
import { udpPortTaken } from './udp-port-taken.ts';
import { underlayMtuDiffers } from './underlay-mtu-differs.ts';
import { underlayMtuTooSmall } from './underlay-mtu-too-small.ts';
import { vtepUnreachable } from './vtep-unreachable.ts';
import { vxlanMissing } from './vxlan-missing.ts';

/** All checks, in the order in which they are told of. */
export const checks: readonly Check[] = [
  udpPortBlocked,
  udpPortNotPermanent,
  overlaySourceUntrusted,
  udpPortTaken,
  vtepUnreachable,
  underlayMtuTooSmall,
  underlayMtuDiffers,
  vxlanMissing,
  ovsMissing,
  ovsNotRunning,
  ovsTooOld,
  ovsDatapath,
  checksumOffload,
  bridgeFiltered,
  rpFilter,
  networkManager,
  networkd,
  clockSkew,
];
