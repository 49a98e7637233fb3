import {
  CheckOutcome,
  HostCheckServiceService,
  Severity as WireSeverity,
  type CheckHostResponse,
  type Finding as WireFinding,
} from '#proto/weft/agent/v1/host_check.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { service, unary, type RpcService } from '#platform/rpc/handlers.ts';
import { remedyLine, type Severity } from '../host-check/finding.ts';
import type { CheckReport, HostCheck, HostReport, ReportedFinding } from '../host-check/host-check.ts';
import { MAX_PEERS } from '../host-check/look.ts';

/** weft.agent.v1.HostCheckService over the checks of one host. */
export const hostCheckService = (check: HostCheck): RpcService =>
  service(HostCheckServiceService, {
    checkHost: unary(async ({ peers, networks, fix, only }, { signal }) => {
      if (peers.length > MAX_PEERS) {
        const description = `has ${peers.length} addresses, at most ${MAX_PEERS} are asked at once`;
        throw new DomainError('invalid', 'INVALID_FIELD', `peers: ${description}`, {
          violations: [{ field: 'peers', description }],
        });
      }
      const wish = {
        peers: peers.map((text, at) => parseUnicastIp(`peers[${at}]`, text)),
        networks: networks.map((text, at) => parseCidr(`networks[${at}]`, text)),
        fix,
        only,
      };
      return toWireReport(await check.look(wish, signal));
    }),
  });

const SEVERITIES = {
  notice: WireSeverity.SEVERITY_NOTICE,
  warning: WireSeverity.SEVERITY_WARNING,
  error: WireSeverity.SEVERITY_ERROR,
} as const satisfies Readonly<Record<Severity, WireSeverity>>;

const OUTCOMES = {
  passed: CheckOutcome.CHECK_OUTCOME_PASSED,
  found: CheckOutcome.CHECK_OUTCOME_FOUND,
  skipped: CheckOutcome.CHECK_OUTCOME_SKIPPED,
} as const satisfies Readonly<Record<CheckReport['outcome'], CheckOutcome>>;

const toWireReport = ({ findings, checks, peers, notes }: HostReport): CheckHostResponse => ({
  findings: findings.map(toWireFinding),
  checks: checks.map(({ check, outcome, reason }) => ({ check, outcome: OUTCOMES[outcome], reason })),
  peers: [...peers],
  notes: [...notes],
});

const toWireFinding = ({ check, severity, title, evidence, remedy, fixed, fixable }: ReportedFinding): WireFinding => ({
  check,
  severity: SEVERITIES[severity],
  title,
  evidence: [...evidence],
  remedy: remedy.map(remedyLine),
  fixed,
  fixable: fixable === true,
});
