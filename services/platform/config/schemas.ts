import { resolve } from 'node:path';
import { z } from 'zod';

/** A TCP or UDP port to connect to, 1 to 65535. */
export const port = z.int().min(1).max(65_535);

/** Milliseconds in one of each unit. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time: `250ms`, `10s`, `5m`, `1h`, or a bare number of milliseconds. Comes out as whole milliseconds within bounds. */
export const durationMs = (bounds: { readonly min?: number; readonly max?: number } = {}) =>
  z
    .union([z.string(), z.number()])
    .transform((given, context): number => {
      const [, digits = '', unit = 'ms'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(String(given)) ?? [];
      if (digits === '') {
        context.addIssue({ code: 'custom', message: 'is not a time such as 250ms, 10s, 5m or 1h' });
        return z.NEVER;
      }
      return Math.round(Number(digits) * (UNITS[unit] ?? 1));
    })
    .pipe(
      z
        .int()
        .min(bounds.min ?? 0)
        .max(bounds.max ?? 2 ** 31 - 1),
    );

// sun_path holds 108 bytes with its terminator (unix(7)).
const MAX_SOCKET_PATH = 107;

/** Where to listen or connect: `unix:/path`, `host:port` or `[IPv6]:port`; port 0 lets the kernel choose. As gRPC takes it. */
export const address = z.string().refine(isAddress, { message: 'is neither unix:/path nor host:port' });

/** One URL or more with one of the schemes, comma separated, e.g. `urlList(['nats', 'tls'])`. */
export const urlList = (schemes: readonly string[]) =>
  z
    .array(
      z.string().refine((text) => schemes.includes(URL.parse(text)?.protocol.slice(0, -1) ?? ''), {
        message: `is not a URL that starts with ${schemes.map((scheme) => `${scheme}:`).join(' or ')}`,
      }),
    )
    .min(1);

/** A file or folder; comes out absolute, relative to where the process was started. */
export const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), { message: 'has a NUL character' })
  .transform((text) => resolve(text));

function isAddress(text: string): boolean {
  if (text.startsWith('unix:')) {
    return (
      text.startsWith('unix:/') && !text.includes('\0') && Buffer.byteLength(text) <= 'unix:'.length + MAX_SOCKET_PATH
    );
  }
  const [, host = '', digits = ''] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === '' || Number(digits) > 65_535) return false;
  return !host.startsWith('[') || URL.canParse(`http://${host}/`);
}

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';

/** A domain name in lower case (RFC 1123, 2.1), without a dot at the end. */
export const domainName = z
  .string()
  .max(253)
  .regex(new RegExp(`^${LABEL}(?:\\.${LABEL})*$`, 'u'), { message: 'is not a domain name such as example.org' });
