import { z } from 'zod';
import type { GuestName, LabHostName, LabName, ProcessName } from './names.ts';
import { parseGuestName, parseLabHostName, parseLabName, parseProcessName } from './names.ts';

/** What the underlay's addresses are. */
export type UnderlayFamily = 'ipv4' | 'ipv6';

/** What a host's agent programs: the kernel's bridges, or an Open vSwitch of the host's own. */
export const LAB_DRIVERS = ['linuxbridge', 'ovs'] as const;
export type LabDriver = (typeof LAB_DRIVERS)[number];

/** What a host does beside serving guests. */
export const LAB_ROLES = ['network'] as const;
export type LabRole = (typeof LAB_ROLES)[number];

/** Where a process of a lab runs. */
export type Place = 'control' | 'gateway' | LabHostName;

const identity = z.strictObject({ pid: z.int().positive(), startTime: z.int().nonnegative() }).readonly();
const labName = z.string().transform((text): LabName => parseLabName('name', text));
const hostName = z.string().transform((text): LabHostName => parseLabHostName('name', text));
const guestName = z.string().transform((text): GuestName => parseGuestName('name', text));
const processName = z.string().transform((text): ProcessName => parseProcessName('name', text));
const place = z
  .string()
  .transform((text): Place => (text === 'control' || text === 'gateway' ? text : parseLabHostName('place', text)));

const labHost = z
  .strictObject({
    name: hostName,
    index: z.int().nonnegative(),
    underlayAddress: z.string(),
    managementAddress: z.string(),
    /** Absent in records from before there was a choice. */
    driver: z.enum(LAB_DRIVERS).default('linuxbridge'),
    roles: z.array(z.enum(LAB_ROLES)).readonly().default([]),
  })
  .readonly();

export const labRecord = z
  .strictObject({
    /** Tells this lab from an earlier one of the same name; stands in the environment of all it starts. */
    id: z.uuid(),
    name: labName,
    phase: z.enum(['starting', 'up']),
    /** Who makes the lab, while it is being made. */
    owner: identity,
    bootId: z.string(),
    createdAt: z.string(),
    underlay: z.enum(['ipv4', 'ipv6']),
    mtu: z.int(),
    separate: z.boolean(),
    hosts: z.array(labHost).readonly(),
    /** What the wire is called that every host has a device on; absent without such a wire. */
    physicalNetwork: z.string().optional(),
    /** Addresses with prefix lengths of the gateway on that wire; none without a gateway. */
    providerGateway: z.array(z.string()).readonly().default([]),
  })
  .readonly();

export const processRecord = z
  .strictObject({
    place,
    name: processName,
    /** Whether it is meant to run; a process that is meant to and does not has died. */
    desired: z.enum(['running', 'stopped']),
    argv: z.array(z.string()).min(1).readonly(),
    env: z.record(z.string(), z.string()).readonly(),
    cwd: z.string(),
    ready: z
      .strictObject({
        tcpPorts: z.array(z.int()).readonly(),
        unixSockets: z.array(z.string()).readonly(),
        withinMs: z.number(),
      })
      .readonly(),
    log: z.string(),
    /** Absent from before it is started until just after. */
    identity: identity.optional(),
  })
  .readonly();

const guestPort = z
  .strictObject({
    id: z.string(),
    mac: z.string(),
    ips: z.array(z.strictObject({ address: z.string(), prefix: z.int() }).readonly()).readonly(),
    gateways: z.array(z.string()).readonly(),
    mtu: z.int(),
  })
  .readonly();

export const guestRecord = z
  .strictObject({
    name: guestName,
    host: hostName,
    /** Where it is going, from before the second tap is made until the first is gone. */
    movingTo: hostName.optional(),
    tap: z.string(),
    /** What it is: a namespace when absent, or a virtual machine of the host's libvirt. */
    kind: z.literal('machine').optional(),
    port: guestPort,
    phase: z.enum(['booting', 'running']),
  })
  .readonly();

/** A host as the lab's record has it. */
export type LabHost = z.output<typeof labHost>;
/** A lab: written before its first namespace is made. */
export type LabRecord = z.output<typeof labRecord>;
/** A process: written before it is started, and again with its identity right after. */
export type ProcessRecord = z.output<typeof processRecord>;
/** A guest's port, canonical. */
export type GuestPort = z.output<typeof guestPort>;
/** A guest: written before its namespace is made, taken away after that is gone. */
export type GuestRecord = z.output<typeof guestRecord>;
