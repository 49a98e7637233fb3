import { trace } from '@opentelemetry/api';

/** Writes on the call's span what it is about, so that traces can be found by it. */
export const about = ({ network, port }: { readonly network?: string; readonly port?: string }): void => {
  trace.getActiveSpan()?.setAttributes({
    ...(network === undefined ? {} : { 'weft.network.id': network }),
    ...(port === undefined ? {} : { 'weft.port.id': portOf(port) }),
  });
};

/** Of ports for DHCP, addresses are held under a name of their own. */
const portOf = (owner: string): string => owner.replace(/^dhcp:/, '');
