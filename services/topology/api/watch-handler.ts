import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { type Handlers, serverStream } from '#platform/rpc/handlers.ts';
import { ChangeKind, TopologyEvent } from '#proto/weft/event/v1/event.ts';
import {
  ResourceKind as KindMessage,
  type TopologyServiceService,
  WatchKind,
  type WatchResponse,
} from '#proto/weft/topology/v1/topology.ts';
import type { Environment } from '../app/environment.ts';
import type { Feed, FeedEntry, ResourceKind } from '../app/feed.ts';
import { watch, type WatchItem } from '../app/watch.ts';
import { resourceMessage } from './event-message.ts';
import { readResumeToken, resumeToken } from './resume-token.ts';

export const watchHandlers = (
  environment: Environment,
  feed: Feed,
): Pick<Handlers<TopologyServiceService>, 'watch'> => ({
  watch: serverStream(async function* (request, { signal }) {
    const wanted = { kinds: readKinds(request.kinds), since: readResumeToken(request.resume_token) };
    for await (const item of watch(environment, feed, wanted, signal)) yield watchMessage(item);
  }),
});

const ALL: ReadonlySet<ResourceKind> = new Set<ResourceKind>(['host', 'network', 'port', 'router', 'floating_ip']);

const readKinds = (messages: readonly KindMessage[]): ReadonlySet<ResourceKind> => {
  if (messages.length === 0) return ALL;
  return new Set(messages.map((message, at) => readKind(`kinds[${at.toString()}]`, message)));
};

const readKind = (field: string, message: KindMessage): ResourceKind => {
  switch (message) {
    case KindMessage.RESOURCE_KIND_HOST:
      return 'host';
    case KindMessage.RESOURCE_KIND_NETWORK:
      return 'network';
    case KindMessage.RESOURCE_KIND_PORT:
      return 'port';
    case KindMessage.RESOURCE_KIND_ROUTER:
      return 'router';
    case KindMessage.RESOURCE_KIND_FLOATING_IP:
      return 'floating_ip';
    case KindMessage.RESOURCE_KIND_UNSPECIFIED:
    case KindMessage.UNRECOGNIZED:
      throw invalidField(field, message, 'is not a kind of resource');
  }
};

const watchMessage = (item: WatchItem): WatchResponse => {
  switch (item.kind) {
    case 'snapshot':
      return { kind: WatchKind.WATCH_KIND_SNAPSHOT, resume_token: '', ...resourceMessage(item.resource) };
    case 'bookmark':
      return { kind: WatchKind.WATCH_KIND_BOOKMARK, resume_token: resumeToken(item.position) };
    case 'change':
      return changeMessage(item.entry);
  }
};

const changeMessage = ({ payload, position }: FeedEntry): WatchResponse => {
  const { kind, resource, vtep } = TopologyEvent.decode(payload);
  return {
    kind: watchKind(kind),
    resume_token: resumeToken(position),
    ...(resource === undefined ? {} : { resource }),
    ...(vtep === undefined ? {} : { vtep }),
  };
};

const watchKind = (kind: ChangeKind): WatchKind => {
  switch (kind) {
    case ChangeKind.CHANGE_KIND_CREATED:
      return WatchKind.WATCH_KIND_CREATED;
    case ChangeKind.CHANGE_KIND_UPDATED:
      return WatchKind.WATCH_KIND_UPDATED;
    case ChangeKind.CHANGE_KIND_DELETED:
      return WatchKind.WATCH_KIND_DELETED;
    case ChangeKind.CHANGE_KIND_UNSPECIFIED:
    case ChangeKind.UNRECOGNIZED:
      throw new DomainError('internal', 'EVENT_UNREADABLE', `an event of kind ${kind} is in the log of changes`);
  }
};
