/** What libvirt tells of a machine. */
export interface MachineEvent {
  readonly domain: string;
  /** In libvirt's words, e.g. `Started Booted`, `Stopped Failed`; a card's alias for one that was given or taken away. */
  readonly what: string;
}

// 2026-11-22 04:21:31.750+0000: event 'lifecycle' for domain 'vm2': Stopped Failed
const LINE = /^[\d-]+ [\d:.+]+: event '(?<event>[a-z-]+)' for domain '(?<domain>.+)': (?<what>.*)$/;

/** What happens to a machine or its cards; libvirt tells of much besides. */
const VERBS: Readonly<Record<string, (what: string) => string>> = {
  lifecycle: (what) => what,
  'device-added': (what) => `Plugged ${what}`,
  'device-removed': (what) => `Unplugged ${what}`,
  'migration-iteration': (what) => `Migrating ${what}`,
};

/** Reads a line of `virsh event --loop --all --timestamp`; undefined for what is not about a machine's life or its cards. */
export const parseMachineEvent = (line: string): MachineEvent | undefined => {
  const { event = '', domain = '', what = '' } = LINE.exec(line)?.groups ?? {};
  const say = VERBS[event];
  return say === undefined ? undefined : { domain, what: say(what.trim()) };
};
