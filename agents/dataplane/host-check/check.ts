import type { Verdict } from './finding.ts';
import type { CheckTools } from './check-tools.ts';
import type { Survey } from './survey.ts';

/** One question about the host. */
export interface Check {
  /** Stable, kebab-case: what is wrong when it finds something. */
  readonly id: string;
  /** Looks and judges; changes nothing. Rejects when it could not look: that check is then skipped, with the reason. */
  run(survey: Survey, tools: CheckTools, signal: AbortSignal): Promise<Verdict>;
}
