import { readFile } from 'node:fs/promises';

/** The descriptors of all of weft's protos (a FileDescriptorSet), as `rpcServer` takes them for reflection. */
export const readDescriptors = async (): Promise<Uint8Array> =>
  await readFile(new URL('../../../proto/gen/descriptors.binpb', import.meta.url));
