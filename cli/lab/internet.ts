/**
 * What answers TCP beyond a lab's gateway: HTTP at the port it is told, each request answered with the address that it came
 * from, so that whoever asks sees behind which address the world finds him.
 */
import { createServer } from 'node:http';

createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(`${(request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')}\n`);
}).listen(Number(process.argv[2]), '::');
