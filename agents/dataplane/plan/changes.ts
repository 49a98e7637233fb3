import type { NetworkChange } from '../model/intent.ts';

/** Devices that a port has after a change, and those that no port has any more. */
export const devicesOfChange = (
  change: NetworkChange,
): { readonly plugged: ReadonlySet<string>; readonly leaving: ReadonlySet<string> } => {
  const plugged = new Set<string>();
  const leaving = new Set<string>();
  for (const { after } of change.ports.values()) if (after.local !== undefined) plugged.add(after.local.device);
  for (const { before } of change.ports.values()) {
    if (before.local !== undefined && !plugged.has(before.local.device)) leaving.add(before.local.device);
  }
  return { plugged, leaving };
};

/**
 * Whether a port was plugged in this change. A device that went and came back within one change looks the same, yet is
 * another: only the very same value, or the very same plugging, says that nothing was plugged.
 */
export const isPluggedAnew = (change: NetworkChange, portId: string): boolean => {
  const views = change.ports.get(portId);
  if (views?.after.local === undefined || views.after.local === views.before.local) return false;
  return views.after.plugging === undefined || views.after.plugging !== views.before.plugging;
};
