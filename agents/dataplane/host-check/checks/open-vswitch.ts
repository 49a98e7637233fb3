import { DomainError } from '#platform/errors/domain-error.ts';
import type { Check } from '../check.ts';
import { judged, PASSED, run, skipped, type Verdict } from '../finding.ts';
import type { CheckTools } from '../check-tools.ts';

/** Why Open vSwitch is not looked at. */
const NO_NEED = 'nothing here uses Open vSwitch';

/** Whether Open vSwitch is installed, where it has something to do. */
export const ovsMissing: Check = {
  id: 'ovs-missing',
  run: async (survey, tools, signal) => {
    if (!survey.needsOvs) return skipped(NO_NEED);
    if (survey.ovs !== undefined || (await programVersion(tools, signal)) !== undefined) return PASSED;
    return judged([
      {
        severity: 'error',
        title: 'Open vSwitch is not installed',
        evidence: ['ovs-vswitchd: there is no such program, and nobody serves its database'],
        remedy: [run('apt-get', 'install', 'openvswitch-switch')],
      },
    ]);
  },
};

/** Whether ovsdb-server and ovs-vswitchd run. */
export const ovsNotRunning: Check = {
  id: 'ovs-not-running',
  run: async (survey, tools, signal) => {
    if (!survey.needsOvs) return skipped(NO_NEED);
    if (survey.ovs === undefined && (await programVersion(tools, signal)) === undefined) {
      return skipped('Open vSwitch is not installed');
    }
    return judgeRunning(survey.ovs !== undefined, survey.ovs === undefined || (await follows(tools, signal)));
  },
};

/** Judges by who answers. */
export const judgeRunning = (database: boolean, daemon: boolean): Verdict => {
  if (database && daemon) return PASSED;
  const what = database ? 'ovs-vswitchd' : 'ovsdb-server';
  const seen = database
    ? 'ovs-vswitchd does not take up what its database has (cur_cfg stays behind next_cfg)'
    : 'nobody answers at the socket of its database';
  const remedy = [run('systemctl', 'restart', 'openvswitch-switch')];
  return judged([{ severity: 'error', title: `Open vSwitch does not run: ${what}`, evidence: [seen], remedy }]);
};

/** ovs-vswitchd answers by counting up: nothing else of the database changes. */
const follows = async ({ database }: CheckTools, signal: AbortSignal): Promise<boolean> => {
  try {
    await database.transactLive([], signal, { withinMs: 3_000 });
    return true;
  } catch (thrown) {
    if (thrown instanceof DomainError && thrown.reason === 'VSWITCHD_NOT_CAUGHT_UP') return false;
    throw thrown;
  }
};

/**
 * The first that has all that the agent asks of it: OpenFlow 1.5 on every bridge unasked (NEWS of 2.12), and
 * monitor_cond_since, without which each lost connection costs a whole copy.
 */
const OLDEST = [2, 12] as const;

/** Whether Open vSwitch speaks what the agent speaks. */
export const ovsTooOld: Check = {
  id: 'ovs-too-old',
  run: async ({ needsOvs, ovs }, tools, signal) => {
    if (!needsOvs) return skipped(NO_NEED);
    const version = ovs?.version ?? (await programVersion(tools, signal));
    return version === undefined ? skipped('its version is not known') : judgeVersion(version);
  },
};

export const judgeVersion = (version: string): Verdict => {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return skipped(`its version is ${version}, which says nothing`);
  const [oldMajor, oldMinor] = OLDEST;
  if (Number(major) > oldMajor || (Number(major) === oldMajor && Number(minor) >= oldMinor)) return PASSED;
  return judged([
    {
      severity: 'error',
      title: `Open vSwitch ${version} is too old: ${OLDEST.join('.')} is the first with OpenFlow 1.5 on every bridge`,
      evidence: [`ovs_version is ${version}`],
      remedy: [run('apt-get', 'install', 'openvswitch-switch')],
    },
  ]);
};

/** Undefined where it is not installed. */
const programVersion = async ({ commands }: CheckTools, signal: AbortSignal): Promise<string | undefined> => {
  try {
    const { stdout } = await commands.run(['ovs-vswitchd', '--version'], signal);
    return /Open vSwitch\) (?<version>\S+)/.exec(stdout)?.groups?.['version'];
  } catch (thrown) {
    if (thrown instanceof DomainError && thrown.reason === 'TOOL_UNAVAILABLE') return undefined;
    throw thrown;
  }
};
