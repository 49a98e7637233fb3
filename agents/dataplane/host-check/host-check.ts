import { withDeadline } from '#platform/async/deadline.ts';
import { invalidField, toError } from '#platform/errors/domain-error.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import type { Check } from './check.ts';
import { checks as allChecks } from './checks/index.ts';
import { remedyLine, skipped, type Finding, type RemedyStep, type Severity, type Verdict } from './finding.ts';
import { readRuleset } from './firewall/read.ts';
import { surveyHost, type HostSources, type SurveyWish } from './look.ts';
import type { CheckTools } from './check-tools.ts';
import type { Survey } from './survey.ts';
import { probePeers } from './underlay/probe.ts';

export interface HostCheckWish extends SurveyWish {
  readonly fix: boolean;
  /** Ids of checks; all where there are none. */
  readonly only: readonly string[];
}

/** A finding with the check that found it. */
export interface ReportedFinding extends Finding {
  readonly check: string;
  readonly fixed: boolean;
}

/** How one check ended. */
export interface CheckReport {
  readonly check: string;
  readonly outcome: 'passed' | 'found' | 'skipped';
  readonly reason: string;
}

export interface HostReport {
  /** The worst first. */
  readonly findings: readonly ReportedFinding[];
  readonly checks: readonly CheckReport[];
  readonly peers: readonly string[];
  readonly notes: readonly string[];
}

/** How a check looks. What several need is read by the look, once. */
export type HostCheckTools = Omit<CheckTools, 'ruleset' | 'probes'>;

const CHECK_MS = 20_000;
const FIX_MS = 10_000;
const ORDER: readonly Severity[] = ['error', 'warning', 'notice'];

/** Tells whether this host is fit for overlays, and mends what can be mended without loss. */
export class HostCheck {
  readonly #sources: HostSources;
  readonly #tools: HostCheckTools;
  readonly #checks: readonly Check[];

  constructor(sources: HostSources, tools: HostCheckTools, checks: readonly Check[] = allChecks) {
    this.#sources = sources;
    this.#tools = tools;
    this.#checks = checks;
  }

  /** Looks now. Throws `invalid` for a check that there is not; what cannot be looked at is skipped, with the reason. */
  async look(wish: HostCheckWish, signal: AbortSignal): Promise<HostReport> {
    return await inSpan('agent.host-check', {}, async () => this.#look(this.#chosen(wish.only), wish, signal));
  }

  async #look(chosen: readonly Check[], wish: HostCheckWish, signal: AbortSignal): Promise<HostReport> {
    const { survey, notes } = await surveyHost(this.#sources, wish, signal);
    const first = await this.#runAll(chosen, survey, signal);
    const fixing = wish.fix ? await this.#fix(first, signal) : undefined;
    const second = fixing === undefined ? first : await this.#again(first, fixing.touched, wish, signal);
    const findings = [...first].flatMap(([check, verdict]) => {
      const now = second.get(check);
      const still = new Set(now?.kind === 'judged' ? now.findings.map(({ title }) => title) : []);
      const before = verdict.kind === 'judged' ? verdict.findings : [];
      return before.map((finding): ReportedFinding => {
        const fixed = fixing?.touched.has(check) === true && now?.kind === 'judged' && !still.has(finding.title);
        const failures = fixed ? [] : (fixing?.failures.get(check) ?? []);
        return { ...finding, check: check.id, fixed, evidence: [...finding.evidence, ...failures] };
      });
    });
    return {
      findings: findings.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity)),
      checks: [...first].map(([{ id }, verdict]) => reportOf(id, verdict)),
      peers: survey.peers.map(({ address }) => address),
      notes,
    };
  }

  #chosen(only: readonly string[]): readonly Check[] {
    const ids = this.#checks.map(({ id }) => id);
    for (const [at, id] of only.entries()) {
      if (!ids.includes(id)) throw invalidField(`only[${at}]`, id, `is not a check; there are ${ids.join(', ')}`);
    }
    return only.length === 0 ? this.#checks : this.#checks.filter(({ id }) => only.includes(id));
  }

  async #runAll(chosen: readonly Check[], survey: Survey, signal: AbortSignal): Promise<ReadonlyMap<Check, Verdict>> {
    const { commands } = this.#tools;
    let rules: ReturnType<typeof readRuleset> | undefined;
    let probes: ReturnType<typeof probePeers> | undefined;
    const tools: CheckTools = {
      ...this.#tools,
      ruleset: async () => (rules ??= readRuleset(commands, signal)),
      probes: async () => (probes ??= probePeers(survey, commands, signal)),
    };
    const verdicts = chosen.map(async (check): Promise<readonly [Check, Verdict]> => {
      try {
        return [check, await withDeadline(CHECK_MS, signal, async (limited) => check.run(survey, tools, limited))];
      } catch (thrown) {
        signal.throwIfAborted();
        return [check, skipped(toError(thrown).message)];
      }
    });
    return new Map(await Promise.all(verdicts));
  }

  async #again(
    first: ReadonlyMap<Check, Verdict>,
    touched: ReadonlySet<Check>,
    wish: HostCheckWish,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<Check, Verdict>> {
    if (touched.size === 0) return first;
    const { survey } = await surveyHost(this.#sources, wish, signal);
    return await this.#runAll([...touched], survey, signal);
  }

  async #fix(
    verdicts: ReadonlyMap<Check, Verdict>,
    signal: AbortSignal,
  ): Promise<{ readonly touched: ReadonlySet<Check>; readonly failures: ReadonlyMap<Check, readonly string[]> }> {
    const touched = new Set<Check>();
    const failures = new Map<Check, readonly string[]>();
    const done = new Set<string>();
    for (const [check, verdict] of verdicts) {
      if (verdict.kind !== 'judged') continue;
      const steps = verdict.findings.filter(({ fixable }) => fixable === true).flatMap(({ remedy }) => remedy);
      if (steps.length === 0) continue;
      touched.add(check);
      for (const step of steps) {
        const line = remedyLine(step);
        // Two findings may have one remedy.
        if (done.has(line)) continue;
        done.add(line);
        const failure = await this.#do(step, signal);
        if (failure !== undefined) failures.set(check, [...(failures.get(check) ?? []), `${line}: ${failure}`]);
      }
    }
    return { touched, failures };
  }

  /** What went wrong, if anything. */
  async #do(step: RemedyStep, signal: AbortSignal): Promise<string | undefined> {
    try {
      if (step.kind === 'write') {
        await this.#tools.files.write(step.path, step.text, signal);
        return undefined;
      }
      const { status, stdout, stderr } = await this.#tools.commands.run(step.argv, signal, { deadlineMs: FIX_MS });
      return status === 0 ? undefined : `exit status ${status}: ${stderr.trim() || stdout.trim()}`;
    } catch (thrown) {
      signal.throwIfAborted();
      return toError(thrown).message;
    }
  }
}

const reportOf = (check: string, verdict: Verdict): CheckReport => {
  if (verdict.kind === 'skipped') return { check, outcome: 'skipped', reason: verdict.reason };
  return { check, outcome: verdict.findings.length === 0 ? 'passed' : 'found', reason: '' };
};
