/** A connection that conntrack holds, with what it translates; addresses as `conntrack -L` prints them. */
export interface TranslatedFlow {
  /** Of the first packet. */
  readonly source: string;
  readonly destination: string;
  /** Of the answers, as they come. */
  readonly replySource: string;
  readonly replyDestination: string;
}

/** What prints the connections of a namespace. */
export const LIST_FLOWS = ['conntrack', '-L', '-f', 'ipv4'] as const;

// tcp 6 431999 ESTABLISHED src=10.0.0.5 dst=192.0.2.1 sport=1 dport=2 src=192.0.2.1 dst=172.32.0.5 sport=2 dport=1 [ASSURED] …
const TUPLES = /\bsrc=(?<source>\S+) dst=(?<destination>\S+) .*?\bsrc=(?<replySource>\S+) dst=(?<replyDestination>\S+)/;

/** The flows in the output of `conntrack -L`; lines that are none are passed over. */
export const parseFlows = (listed: string): readonly TranslatedFlow[] =>
  listed.split('\n').flatMap((line) => {
    const words = TUPLES.exec(line)?.groups;
    if (words === undefined) return [];
    const { source = '', destination = '', replySource = '', replyDestination = '' } = words;
    return [{ source, destination, replySource, replyDestination }];
  });

/**
 * Outside addresses of which connections are translated otherwise than they would be now: their connections have to be
 * forgotten, so that none goes on to where the address no longer leads. `mappings`: outside → inside. `mine`: addresses outside that
 * sources may appear as.
 */
export const staleAddresses = (
  flows: readonly TranslatedFlow[],
  mappings: ReadonlyMap<string, string>,
  mine: ReadonlySet<string>,
): readonly string[] => {
  const stale = new Set<string>();
  for (const { source, destination, replySource, replyDestination } of flows) {
    if (replySource !== destination && mappings.get(destination) !== replySource) stale.add(destination);
    if (replyDestination === source) continue;
    const inside = mappings.get(replyDestination);
    if (inside === undefined ? !mine.has(replyDestination) : inside !== source) stale.add(replyDestination);
  }
  return [...stale].sort();
};

/** The commands that make a namespace forget the connections of an outside address, and no others. */
export const forgetting = (outside: string): readonly (readonly string[])[] => [
  ['conntrack', '-D', '-f', 'ipv4', '--orig-dst', outside],
  ['conntrack', '-D', '-f', 'ipv4', '--reply-dst', outside],
];
