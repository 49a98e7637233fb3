/** The lab: hosts of an overlay on one machine, as namespaces, with real agents on a real kernel. */
export { DEFAULT_LAB } from './names.ts';
export { labUp } from './up.ts';
export type { Lab, LabProgress } from './up.ts';
export type { LabDriver } from './record.ts';
export type { ControlContext, HostContext } from './lab.ts';
export { labDown } from './down.ts';
export { labList, labStatus } from './status.ts';
export { vmBoot, vmKill, vmList } from './guests.ts';
export type { Guest } from './guest-view.ts';
export type { GuestPortSpec } from './guest-port.ts';
export { vmMove } from './guest-move.ts';
export { labExec, labProcesses, labRun } from './exec.ts';
export type { LabProcess, LabTarget } from './exec.ts';
export {
  agentKill9,
  agentRestart,
  agentStart,
  agentStop,
  processAdd,
  processKill9,
  processStart,
  processStop,
} from './processes.ts';
export type { ProcessSpec } from './processes.ts';
export { labDockerImage, labDockerRestart, labDockerUp, LAB_IMAGE } from './docker.ts';
export { signalProcess } from './proc.ts';
export { preflight } from './preflight.ts';
export type { RunResult } from './run.ts';
export { labLibvirtUp } from './libvirt.ts';
export { machineBoot, machineConsole, machinePlug, machineRun, machineUnplug } from './machines.ts';
