import { nullLog } from '#platform/log/log.ts';
import { LinuxBridgeDataplane } from '../../agents/dataplane/drivers/linuxbridge/dataplane.ts';

// Watches the namespace it is started in until it is killed; `process.send` tells when it does.
const signal = new AbortController().signal;
const dataplane = new LinuxBridgeDataplane({ log: nullLog });
await dataplane.start(signal);
for await (const event of dataplane.events(signal)) if (event.kind === 'listed') process.send?.('listed');
