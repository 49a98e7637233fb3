import { CheckOutcome, Severity, type CheckHostResponse, type Finding } from '#proto/weft/agent/v1/host_check.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Command, CommandContext } from '../command.ts';
import type { Output } from '../output/output.ts';

/** A look takes seconds where peers do not answer, and two looks with --fix. */
const TIMEOUT_MS = 60_000;

/** Exit codes of its own, besides those that all commands have. */
const UNFIT = 1;
const WARNINGS = 8;

/** `weft host check` */
export const hostCheckCommand: Command = {
  path: 'host check',
  summary: 'whether a host is fit for overlays: firewall, underlay, kernel, Open vSwitch, clock',
  args: ['[HOST]'],
  flags: {
    fix: { type: 'boolean', doc: 'mend what can be mended without loss (firewalld, NetworkManager), then look again' },
    peer: { type: 'string', multiple: true, value: 'ADDRESS', doc: 'underlay address of another host to ask as well' },
    network: { type: 'string', multiple: true, value: 'CIDR', doc: 'a network of overlays, for firewalld to trust' },
    only: { type: 'string', multiple: true, value: 'CHECK', doc: 'only this check' },
    verbose: { type: 'boolean', short: 'v', doc: 'tell of checks that passed or were skipped, too' },
  },
  details:
    "Asks the host's agent: in a lab by name, elsewhere at --agent (default: this machine's own); one that stands alone\n" +
    'too. Each finding has what was seen and the commands that mend it.\n' +
    'Exit code 0: nothing above a notice is left; 1: an error is; 8: a warning is.',
  run: async (context) => {
    const { flags, output } = context;
    const answer = await ask(context);
    output.data(answer);
    for (const finding of answer.findings) show(output, finding);
    showChecks(output, answer, flags.on('verbose'));
    if (!output.machine) for (const note of answer.notes) output.note(`note: ${note}`);
    return exitCode(answer.findings);
  },
};

const ask = async ({ args, flags, connections, signal }: CommandContext): Promise<CheckHostResponse> => {
  const host = args[0] ?? '';
  const request = {
    peers: [...flags.list('peer')],
    networks: [...flags.list('network')],
    only: [...flags.list('only')],
    fix: flags.on('fix'),
  };
  const address = (await connections.endpoints()).agent(host);
  try {
    return await (await connections.hostCheck(host)).checkHost(request, { signal, timeoutMs: TIMEOUT_MS });
  } catch (thrown) {
    if (!(thrown instanceof DomainError) || thrown.code !== 'unavailable' || signal.aborted) throw thrown;
    throw new DomainError(
      'unavailable',
      'AGENT_UNREACHABLE',
      `no agent answers at ${address}, and the host is looked at by its agent. Start it (systemctl start weft-agent), or one ` +
        `that needs no control plane (weft agent --standalone), or say where it is (--agent ADDRESS): ${thrown.message}`,
      { details: { address }, cause: thrown },
    );
  }
};

const LABELS: Readonly<Partial<Record<Severity, string>>> = {
  [Severity.SEVERITY_ERROR]: 'error',
  [Severity.SEVERITY_WARNING]: 'warning',
  [Severity.SEVERITY_NOTICE]: 'notice',
};

const show = (output: Output, { check, severity, title, evidence, remedy, fixed, fixable }: Finding): void => {
  output.text(`${fixed ? 'fixed' : (LABELS[severity] ?? severity)}  ${check}: ${title}`);
  for (const line of evidence) output.text(`    ${line}`);
  for (const line of remedy) output.text(`    $ ${line}`);
  if (fixable && !fixed) output.text('    --fix does it');
};

const showChecks = (output: Output, { checks }: CheckHostResponse, verbose: boolean): void => {
  const count = (wanted: CheckOutcome): number => checks.filter(({ outcome }) => outcome === wanted).length;
  if (verbose) {
    for (const { check, outcome, reason } of checks) {
      if (outcome === CheckOutcome.CHECK_OUTCOME_PASSED) output.text(`passed  ${check}`);
      if (outcome === CheckOutcome.CHECK_OUTCOME_SKIPPED) output.text(`skipped  ${check}: ${reason}`);
    }
  }
  const passed = count(CheckOutcome.CHECK_OUTCOME_PASSED);
  const found = count(CheckOutcome.CHECK_OUTCOME_FOUND);
  output.text(`${passed} passed, ${found} with findings, ${count(CheckOutcome.CHECK_OUTCOME_SKIPPED)} skipped`);
};

const exitCode = (findings: readonly Finding[]): number => {
  const left = findings.filter(({ fixed }) => !fixed).map(({ severity }) => severity);
  if (left.includes(Severity.SEVERITY_ERROR)) return UNFIT;
  return left.includes(Severity.SEVERITY_WARNING) ? WARNINGS : 0;
};
