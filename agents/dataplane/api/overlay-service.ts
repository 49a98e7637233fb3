import {
  OverlayServiceService,
  OverlayState,
  type Overlay as WireOverlay,
  type OverlayEvent,
} from '#proto/weft/agent/v1/overlay.ts';
import type { OperationResult } from '#proto/weft/agent/v1/agent.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { service, serverStream, unary, type RpcService } from '#platform/rpc/handlers.ts';
import type { Outcome } from '../model/operation.ts';
import { parseOverlayName } from '../overlay/model/names.ts';
import { overlayText, parseOverlay } from '../overlay/model/parse.ts';
import type { Overlays, OverlayView } from '../overlay/overlays.ts';
import type { OverlayStatus } from '../overlay/status.ts';
import type { EventLog, HostEvent } from '../reconcile/event-log.ts';
import { toWireOutcome, WIRE_EVENT } from './wire.ts';

/** weft.agent.v1.OverlayService over the overlays of one host. */
export const overlayService = (overlays: Overlays, events: EventLog): RpcService =>
  service(OverlayServiceService, {
    applyOverlay: unary(async ({ overlay, validate_only }, { signal }) => {
      if (overlay === undefined) {
        throw new DomainError('invalid', 'INVALID_FIELD', 'overlay: is missing', {
          violations: [{ field: 'overlay', description: 'is missing' }],
        });
      }
      const { view, outcomes, notes } = await overlays.apply(parseOverlay(overlay), validate_only, signal);
      return { overlay: toWireOverlay(view), results: toWireResults(outcomes, validate_only), notes: [...notes] };
    }),

    getOverlay: unary(async ({ name }) => Promise.resolve(toWireOverlay(overlays.get(parseOverlayName('name', name))))),

    listOverlays: unary(async () => Promise.resolve({ overlays: overlays.list().map(toWireOverlay) })),

    deleteOverlay: unary(async ({ name, validate_only }, { signal }) => {
      const { outcomes, notes } = await overlays.delete(parseOverlayName('name', name), validate_only, signal);
      return { results: toWireResults(outcomes, validate_only), notes: [...notes] };
    }),

    watchOverlays: serverStream(async function* ({ name }, { signal }): AsyncGenerator<OverlayEvent> {
      const only = name === '' ? undefined : parseOverlayName('name', name);
      const isWanted = ({ kind, overlay }: HostEvent): boolean =>
        kind === 'lost' || (overlay !== undefined && (only === undefined || overlay === only));
      for await (const event of events.watch(signal)) if (isWanted(event)) yield toWireOverlayEvent(event);
    }),
  });

const STATES = {
  ready: OverlayState.OVERLAY_STATE_READY,
  waiting: OverlayState.OVERLAY_STATE_WAITING,
  failed: OverlayState.OVERLAY_STATE_FAILED,
} as const satisfies Readonly<Record<OverlayStatus['state'], OverlayState>>;

const toWireOverlay = ({ spec, status, driftRepaired }: OverlayView): WireOverlay => {
  const { addresses, peers, links, ...rest } = overlayText(spec);
  return {
    ...rest,
    addresses: [...addresses],
    peers: [...peers],
    links: links.map(({ subnets, ...link }) => ({ ...link, subnets: [...subnets] })),
    status: {
      state: STATES[status.state],
      messages: [...status.messages],
      mtu: status.mtu ?? 0,
      datapath_type: status.datapathType ?? '',
      drift_repaired: driftRepaired.toString(),
      look_time: status.lookTime?.toISOString(),
    },
  };
};

const toWireResults = (outcomes: readonly Outcome[], validateOnly: boolean): OperationResult[] =>
  outcomes.map((outcome) => ({ ...toWireOutcome(outcome), ...(validateOnly && { done: false }) }));

const toWireOverlayEvent = (event: HostEvent): OverlayEvent => ({
  kind: WIRE_EVENT[event.kind],
  time: event.time.toISOString(),
  overlay_name: event.overlay ?? '',
  message: event.message,
  results: (event.outcomes ?? []).map(toWireOutcome),
  trace_id: event.traceId ?? '',
});
