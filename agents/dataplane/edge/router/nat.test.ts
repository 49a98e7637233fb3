import { describe, expect, test } from 'vitest';
import { wantedRouter } from './desired.ts';
import { mappingsOf, replacingTable, tableLines } from './nat.ts';
import { floatingAddress, idOf, routerDuty } from './testing/duty.ts';

const TABLE = `table inet weft {
	comment "weft:router:000000a0-0000-4000-8000-0000000000a0 269ab8fe893f"
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 172.32.0.150 dnat ip to 172.16.1.7 comment "floating IP 000000f1-0000-4000-8000-0000000000f1"
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		iifname "qg-00000010-00" accept
		oifname != "qg-00000010-00" ct status & dnat != dnat accept
		ip saddr 172.16.1.7 snat ip to 172.32.0.150 comment "floating IP 000000f1-0000-4000-8000-0000000000f1"
		meta nfproto ipv4 snat ip to 172.32.0.101
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "qg-00000010-00" oifname "qg-00000010-00" drop
		meta nfproto ipv4 oifname "qg-00000010-00" ct state invalid drop
		tcp flags syn / syn,rst tcp option maxseg size set rt mtu
	}
}
`;

describe('the table of a router', () => {
  test('is in the words in which nft lists it', () => {
    expect(wantedRouter(routerDuty()).table).toEqual(tableLines(TABLE));
  });

  test('translates floating addresses alone without enable_snat, and their ways back from inside', () => {
    const { table } = wantedRouter(routerDuty({ enableSnat: false }));
    const text = TABLE.replace('meta nfproto ipv4 snat', 'meta nfproto ipv4 ct status dnat snat');
    expect(table).toEqual(tableLines(text.replace('269ab8fe893f', 'f4ad2abc93af')));
  });

  test('translates nothing with neither', () => {
    const { table } = wantedRouter(routerDuty({ enableSnat: false, floating: [] }));
    expect(table.filter((line) => /nat|ct state/.test(line))).toEqual([]);
    expect(table).toContain('iifname "qg-00000010-00" oifname "qg-00000010-00" drop');
  });

  test('without a gateway there is nothing to translate to', () => {
    const { gateway: _gateway, ...inside } = routerDuty();
    expect(wantedRouter(inside).table).toEqual([
      'table inet weft {',
      'comment "weft:router:000000a0-0000-4000-8000-0000000000a0 581f25f89481"',
      'chain forward {',
      'type filter hook forward priority filter; policy accept;',
      'tcp flags syn / syn,rst tcp option maxseg size set rt mtu',
      '}',
      '}',
    ]);
  });

  test('is the same whatever order floating addresses come in', () => {
    const floating = [floatingAddress(1, '172.32.0.9', '172.16.1.9'), floatingAddress(2, '172.32.0.8', '172.16.1.8')];
    const { table } = wantedRouter(routerDuty({ floating }));
    expect(wantedRouter(routerDuty({ floating: floating.toReversed() })).table).toEqual(table);
    expect(mappingsOf(table)).toEqual(
      new Map([
        ['172.32.0.8', '172.16.1.8'],
        ['172.32.0.9', '172.16.1.9'],
      ]),
    );
  });

  test('is replaced in one transaction, whether or not it was there', () => {
    const lines = [`table inet weft {`, `comment "weft:router:${idOf(1)}"`, '}'];
    expect(replacingTable(lines)).toBe(`table inet weft\ndelete table inet weft\n${lines.join('\n')}\n`);
  });
});
