import { describe, expect, test } from 'vitest';
import { parseGatewayAddress } from './provider.ts';

describe("a lab's provider wire", () => {
  test('a gateway has an address and a prefix length', () => {
    expect(parseGatewayAddress('172.32.0.1/24')).toBe('172.32.0.1/24');
    expect(parseGatewayAddress('2001:DB8:32:0::1/64')).toBe('2001:db8:32::1/64');
  });

  test.each(['172.32.0.1', '172.32.0.1/', '172.32.0.1/33', '172.32.0.1/a', '172.32.0/24', 'x/24', '2001:db8::1/129'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseGatewayAddress(text)).toThrow('provider_gateway');
    },
  );
});
