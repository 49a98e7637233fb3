/** Makes a lab in a process of its own that can be killed: arguments are its name, a mark, after which progress to die (0: never), and drivers. */
import { labUp } from '../up.ts';

const [name = '', mark = '', diesAt = '0', drivers = 'linuxbridge'] = process.argv.slice(2);
let told = 0;
const daemon = { argv: ['sleep', mark], env: { PATH: '/usr/bin:/bin' } };
process.send?.('begins');
await labUp(
  {
    name,
    hosts: 3,
    drivers: drivers.split(','),
    controlPlane: () => [{ name: 'up', ...daemon }],
    agent: () => ({ name: 'agent', ...daemon }),
    progress: () => {
      told += 1;
      if (told === Number(diesAt)) process.kill(process.pid, 'SIGKILL');
    },
  },
  new AbortController().signal,
);
process.disconnect();
