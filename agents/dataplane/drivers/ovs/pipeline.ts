import type { Vni } from '#platform/net/vni.ts';
import { isNumberWithoutVni } from '../../plan/segment.ts';

/**
 * The tables of the integration bridge, in the order a frame of a guest goes through them. What comes out of a tunnel goes
 * from `classify` to `unicast` at once: it was checked where it came in, and asks nobody here. docs/pipeline.md shows them.
 */
export const TABLES = { classify: 0, anti_spoof: 10, responder: 20, nd_reply: 25, unicast: 30, flood: 40 } as const;

/** 1 in a frame that came out of a tunnel, and never goes into one again (split horizon). `metadata` is its network's VNI, or the
 * number that stands for one. */
export const FROM_TUNNEL = 'reg0';
/** How many parts of the flood list a frame has been through. */
export const FLOOD_PART = 'reg1';
/** 1 in a frame that the agent has got a copy of, so that it gets no other. */
export const COPIED = 'reg2';
/** 1 in a frame of neighbour discovery whose target is its sender's own. */
export const TARGET_CHECKED = 'reg3';
/** "wf": the number of the agent as a controller, so that no other controller of the bridge gets these copies. */
export const CONTROLLER_ID = 0x7766;

/** "weft" in ASCII: the upper half of the cookie of every flow of ours. */
const STAMP = 0x7765_6674n << 32n;

/** The cookie of flows that serve all networks alike. */
export const BASE_COOKIE = STAMP;

/** The cookie of all flows of one network. */
export const cookieOf = (vni: Vni): bigint => STAMP | BigInt(vni);

/** Compares all of a cookie. */
export const WHOLE_COOKIE = (1n << 64n) - 1n;
/**
 * Compares all of a cookie but its first bit, which is 0 in ours. For one flow that is known by its match: with all bits
 * the switch looks for it among all flows of that cookie, one by one (ofproto.c, collect_rules_strict).
 */
export const NEARLY_WHOLE_COOKIE = WHOLE_COOKIE >> 1n;

const LARGEST_VNI = 0xff_ffffn;
/** Above all VNIs. */
const WATCH = STAMP | (0xffn << 24n);

/** The cookie of the flows that watch one port; `serial` counts from 0 and begins anew after 24 bits. */
export const watchCookie = (serial: number): bigint => WATCH | (BigInt(serial) & LARGEST_VNI);

/** All cookies of flows that watch ports. */
export const WATCH_COOKIES = { cookie: WATCH, cookieMask: WHOLE_COOKIE ^ LARGEST_VNI };

/** Whose a flow with that cookie is; undefined when it is none of ours. */
export const ownerOf = (cookie: bigint): 'base' | 'watch' | Vni | undefined => {
  const rest = cookie ^ STAMP;
  if (rest === 0n) return 'base';
  if (rest <= LARGEST_VNI || isNumberWithoutVni(Number(rest))) return Number(rest) as Vni;
  return (cookie & WATCH_COOKIES.cookieMask) === WATCH ? 'watch' : undefined;
};

/** More specific flows win over a table's last one, which is the base's. */
export const PRIORITY = { last: 0, uplink: 50, entry: 100, exception: 200 } as const;

/** Of `anti_spoof`, where the most specific word about a port's frame comes first, and the last one is about all others. */
export const GUARD_PRIORITY = {
  ownTarget: 210,
  forbidden: 200,
  allowed: 100,
  spoofed: 50,
  otherType: 20,
  stranger: 10,
} as const;
