import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { client } from './client.ts';
import { type CallContext, service, unary } from './handlers.ts';
import { EchoDefinition } from './echo.fixture.ts';
import { echoServer, plainHandlers, temporaryFolder } from './rpc.fixture.ts';
import { rpcServer } from './server.ts';

const run = promisify(execFile);
const soon = (): AbortSignal => AbortSignal.timeout(2_000);
const serverOn = (...listen: readonly string[]) =>
  rpcServer({ name: 'echo', listen, services: [service(EchoDefinition, plainHandlers)], log: nullLog });

test('the socket is for its owner and group, and goes with the server', async () => {
  await using edge = await echoServer();
  const path = edge.address.slice('unix:'.length);
  expect((await stat(path)).mode & 0o777).toBe(0o660);
  await edge.server.stop(soon());
  await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a socket file left by a process that died is taken over', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/stale.sock`;
  const dies = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  await run(process.execPath, ['-e', dies, path]).catch(() => undefined);
  expect((await stat(path)).isSocket()).toBe(true);
  const server = serverOn(`unix:${path}`);
  await server.start(soon());
  await server.stop(soon());
});

test('a socket that somebody listens on is left to them', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/taken.sock`;
  const other = createServer().listen(path);
  await expect(serverOn(`unix:${path}`).start(soon())).rejects.toMatchObject({
    code: 'precondition',
    reason: 'CANNOT_LISTEN',
  });
  expect((await stat(path)).isSocket()).toBe(true);
  other.close();
});

test('a file that is no socket is not touched', async () => {
  await using folder = await temporaryFolder();
  await writeFile(`${folder.path}/precious`, 'data');
  await expect(serverOn(`unix:${folder.path}/precious`).start(soon())).rejects.toMatchObject({ code: 'precondition' });
  expect(await readFile(`${folder.path}/precious`, 'utf8')).toBe('data');
});

test.each(['unix:relative.sock', `unix:/${'x'.repeat(107)}`, 'localhost', '127.0.0.1:http'])(
  '%s is refused',
  async (address) => {
    await expect(serverOn(address).start(soon())).rejects.toMatchObject({ code: 'invalid' });
  },
);

test('several addresses at once, with the ports that were given; one that cannot be had takes the others down', async () => {
  await using folder = await temporaryFolder();
  const both = serverOn('127.0.0.1:0', `unix:${folder.path}/both.sock`);
  await both.start(soon());
  expect(both.addresses).toEqual([expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/), `unix:${folder.path}/both.sock`]);
  const [tcp = ''] = both.addresses;
  await expect(serverOn(`unix:${folder.path}/other.sock`, tcp).start(soon())).rejects.toMatchObject({
    code: 'precondition',
  });
  await expect(stat(`${folder.path}/other.sock`)).rejects.toMatchObject({ code: 'ENOENT' });
  for (const address of both.addresses) {
    const echo = client(EchoDefinition, address);
    expect(await echo.say({ text: address })).toEqual({ text: address });
    echo.close();
  }
  await both.stop(soon());
});

test('with mutual TLS, callers are who their certificate says, and nobody else gets in', async () => {
  await using folder = await temporaryFolder();
  const ca = await authority(folder.path);
  const [serverFiles, hostFiles] = [
    await ca.sign('server', 'DNS:weft'),
    await ca.sign('host', 'URI:weft://host/a,DNS:a'),
  ];
  const stranger = await (await authority(folder.path, 'other')).sign('stranger', 'URI:weft://host/a');
  const say = unary((_: unknown, { identity }: CallContext) => Promise.resolve({ text: identity ?? 'nobody' }));
  await using edge = await echoServer(
    { say },
    { listen: ['127.0.0.1:0'], tls: serverFiles },
    { tls: { ...hostFiles, serverName: 'weft' } },
  );
  expect(await edge.echo.say({ text: '' })).toEqual({ text: 'weft://host/a' });
  const [address = ''] = edge.server.addresses;
  const others = [
    client(EchoDefinition, address),
    client(EchoDefinition, address, { tls: { ...stranger, ca: serverFiles.ca, serverName: 'weft' } }),
    client(EchoDefinition, address, { tls: { ...hostFiles, serverName: 'elsewhere' } }),
  ];
  for (const other of others) {
    await expect(other.say({ text: '' }, { timeoutMs: 2_000 })).rejects.toMatchObject({ code: 'unavailable' });
    other.close();
  }
});

const authority = async (folder: string, name = 'ca') => {
  const [key, cert] = [`${folder}/${name}.key`, `${folder}/${name}.crt`];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', key, '-out', cert, '-subj', `/CN=${name}`, '-days', '2']);
  return {
    sign: async (subject: string, san: string) => {
      const files = { key: `${folder}/${subject}.key`, cert: `${folder}/${subject}.crt` };
      const extension = ['-addext', `subjectAltName=${san}`, '-addext', 'basicConstraints=CA:FALSE'];
      const signer = ['-CA', cert, '-CAkey', key, '-days', '2'];
      await run('openssl', [
        'req',
        '-x509',
        ...newKey,
        '-keyout',
        files.key,
        '-out',
        files.cert,
        '-subj',
        `/CN=${subject}`,
        ...extension,
        ...signer,
      ]);
      const [ca, own, secret] = await Promise.all([cert, files.cert, files.key].map((file) => readFile(file, 'utf8')));
      return { ca: ca ?? '', cert: own ?? '', key: secret ?? '' };
    },
  };
};
