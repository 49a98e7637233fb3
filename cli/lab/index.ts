/** The lab: hosts of an overlay on one machine, as namespaces, with real agents on a real kernel. */
export { DEFAULT_LAB } from './names.ts';
export { labUp } from './up.ts';
export type { Lab, LabProgress, LabUpOptions } from './up.ts';
export type { ControlContext, HostContext } from './lab.ts';
export { labDown } from './down.ts';
export type { LabDownOptions, LabDownReport } from './down.ts';
export { labList, labStatus } from './status.ts';
export type { HostStatus, LabState, LabStatus, LabSummary, ProcessStatus } from './status.ts';
export { vmBoot, vmKill, vmList } from './guests.ts';
export type { Guest, VmBootOptions, VmRef } from './guests.ts';
export type { GuestPortSpec } from './guest-port.ts';
export { vmMove } from './guest-move.ts';
export type { VmMoveOptions } from './guest-move.ts';
export { labExec, labProcesses, labRun } from './exec.ts';
export type { LabProcess, LabTarget } from './exec.ts';
export {
  agentKill9,
  agentRestart,
  agentStart,
  agentStop,
  processAdd,
  processKill9,
  processPause,
  processRestart,
  processResume,
  processStart,
  processStop,
} from './processes.ts';
export type { AgentRef, ProcessRef, ProcessSpec } from './processes.ts';
export type { Readiness } from './ready.ts';
export { signalProcess } from './proc.ts';
export type { ProcessIdentity } from './proc.ts';
export { preflight } from './preflight.ts';
export type { Preflight, PreflightCheck } from './preflight.ts';
export type { RunOptions, RunResult } from './run.ts';
