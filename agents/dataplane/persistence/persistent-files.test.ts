import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { arbitraryOverlay } from '../overlay/testing/overlays.ts';
import { ConfigFiles } from '../sys/config-files.ts';
import { fileDrift } from './compare.ts';
import { desired, arbitraryDevices, overlayView } from './testing/desired.ts';
import { NO_DEVICES } from './desired.ts';
import type { Desired } from './desired.ts';
import { applyFiles } from './host-files.ts';
import { readerOf, refuseConflicts, takeInventory } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import { deviceNames } from './model/devices.ts';
import { parseDevices } from './model/parse.ts';
import { planFiles } from './steps.ts';
import { ownerOf } from './writers/header.ts';
import { WRITERS } from './writers/index.ts';
import { plain, readIni } from './writers/ini.ts';
import type { ConfigText } from './writers/writer.ts';

const formats = fc.constantFrom('networkmanager' as const, 'ifcfg' as const, 'networkd' as const);

const anything: fc.Arbitrary<Desired> = fc
  .tuple(formats, arbitraryOverlay, arbitraryDevices, fc.constantFrom('system', 'netdev'), fc.boolean())
  .filter(([, overlay]) => overlay.bridge_name === 'ovs_sw0')
  .map(([format, text, devices, datapath, alone]) => {
    const safe = alone ? withoutOvs(devices) : devices;
    // A VXLAN device in a bridge of Open vSwitch is refused; here none leads there.
    return desired(format, { devices: safe, ...(!alone && { overlay: overlayView(text, datapath) }) });
  });

const withoutOvs = (devices: typeof NO_DEVICES): typeof NO_DEVICES => ({
  ...devices,
  nics: devices.nics.map((each) => ({ ...each, bridge_name: 'br9' })),
});

const allFiles = ({ rendered, links, unmanaged }: Desired): readonly ConfigText[] => [
  ...rendered.files,
  ...links,
  ...unmanaged,
];

const found = ({ text, mode }: ConfigText) => ({ text, mode, uid: 0 });

describe('any overlay, any devices, any format', () => {
  test('what is written reads back as what was meant, and as nothing else', () => {
    fc.assert(
      fc.property(anything, fc.nat(), (each, seed) => {
        for (const file of allFiles(each)) {
          expect(fileDrift(file, found(file), readerOf(file.path))).toEqual([]);
          const lines = file.text.split('\n');
          const settings = lines.flatMap((line, at) =>
            /^[^#[].*=/.test(line) && !line.startsWith('weft.owner') ? [at] : [],
          );
          const at = settings[seed % settings.length];
          if (at === undefined) continue;
          const meddled = lines.map((line, n) => (n === at ? line.replace(/=("?)/, '=$1x') : line)).join('\n');
          expect(fileDrift(file, { ...found(file), text: meddled }, readerOf(file.path))).toHaveLength(2);
          expect(fileDrift(file, { ...found(file), mode: 0o666 }, readerOf(file.path))).toHaveLength(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('every file is known as ours, lies where its format reads, and names its device', () => {
    fc.assert(
      fc.property(anything, (each) => {
        const writer = WRITERS[each.record.format];
        const names = new Set<string>(deviceNames(each.persistent));
        for (const device of each.persistent.devices) if (device.kind === 'ovs-tunnel') names.add(device.name);
        for (const { path, text } of each.rendered.files) {
          const name = path.slice(writer.directory.length + 1);
          expect(path.startsWith(`${writer.directory}/`) && writer.reads(name)).toBe(true);
          expect(ownerOf(text)).toBe(each.record.name);
          for (const device of writer.devicesOf(name, text)) if (!device.includes(':')) expect(names).toContain(device);
        }
        expect(new Set(allFiles(each).map(({ path }) => path)).size).toBe(allFiles(each).length);
      }),
      { numRuns: 60 },
    );
  });

  test('a VXLAN device has its UDP port written, and a bridge of Open vSwitch one name', () => {
    fc.assert(
      fc.property(anything, (each) => {
        for (const { text } of each.rendered.files) {
          const settings = new Map(readIni(text).map(({ section, key, value }) => [`${section}/${key}`, value]));
          if (settings.has('vxlan/id')) expect(settings.get('vxlan/destination-port')).toMatch(/^(?:4789|8472)$/);
          if (settings.has('VXLAN/VNI')) expect(settings.get('VXLAN/DestinationPort')).toMatch(/^(?:4789|8472)$/);
          if (settings.get('connection/type') === 'ovs-interface') {
            expect(settings.get('connection/interface-name')).toBe(settings.get('connection/master'));
            expect(settings.get('connection/interface-name')).toBe('ovs_sw0');
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('values of a stranger', () => {
  const set = (part: Partial<typeof NO_DEVICES>) => (): unknown =>
    parseDevices({ ...NO_DEVICES, ...part }, { ovsBridges: new Set() });
  const bad = fc
    .oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a\nb', 'a]', '$(x)', 'a;b', '`x`', "a'b", 'a"b', '../x'),
    )
    .filter((text) => !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(text));

  test('are refused as the name of any device, and in any address', () => {
    const vxlan = {
      name: 'vx9',
      vni: 9,
      local_address: '192.0.2.1',
      remote_address: '192.0.2.2',
      udp_port: 0,
      mtu: 0,
      bridge_name: '',
    };
    fc.assert(
      fc.property(bad, (text) => {
        const attempts = [
          set({ bridges: [{ name: text, addresses: [], mtu: 0 }] }),
          set({ bridges: [{ name: 'br9', addresses: [text], mtu: 0 }] }),
          set({ vxlans: [{ ...vxlan, name: text }] }),
          set({ vxlans: [{ ...vxlan, remote_address: text }] }),
          set({ veths: [{ name: 'a', peer_name: text, mtu: 0, bridge_name: '', peer_bridge_name: '' }] }),
          set({ nics: [{ name: 'eth7', mac_address: text, mtu: 0, bridge_name: 'br9' }] }),
          set({ nics: [{ name: text, mac_address: '00:0c:29:62:f9:d3', mtu: 0, bridge_name: 'br9' }] }),
          ...(text === '' ? [] : [set({ vxlans: [{ ...vxlan, bridge_name: text }] })]),
        ];
        for (const attempt of attempts) expect(attempt).toThrow(DomainError);
      }),
    );
  });

  test('never stand in a file, wherever they came from', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom('\n', '"', "'", '$', '`', '\\', '#', ';', '%', '[', '\0'),
        (text, evil) => {
          expect(() => plain('key', `${text}${evil}`)).toThrow(DomainError);
        },
      ),
    );
  });

  test('a name for two devices is refused', () => {
    expect(set({ bridges: [1, 2].map(() => ({ name: 'br9', addresses: [], mtu: 0 })) })).toThrow(/two devices/);
  });
});

describe('on a disk', () => {
  let root = '';
  let files: ConfigFiles;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'weft-persistence-'));
    files = new ConfigFiles(root);
  });

  afterAll(async () => {
    await rm(root, { recursive: true });
  });

  const bring = async (each: Desired | undefined, owner: string): Promise<Inventory> => {
    const before = await takeInventory(files);
    await applyFiles(files, planFiles(owner, each === undefined ? [] : allFiles(each), before), before);
    return await takeInventory(files);
  };

  test('whatever was there before, one pass brings what is wanted, and the next one nothing', async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (each) => {
        const inventory = await bring(each, each.record.name);
        const wanted = allFiles(each);
        expect([...inventory.keys()].sort()).toEqual(wanted.map(({ path }) => path).sort());
        for (const file of wanted) {
          expect((await stat(`${root}${file.path}`)).mode & 0o777).toBe(file.mode);
        }
        expect(planFiles(each.record.name, wanted, inventory)).toEqual([]);
        await bring(undefined, each.record.name);
        expect((await takeInventory(files)).size).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  test('a file of somebody else about one of the devices is an error that names it; about others it is none', async () => {
    const each = desired('networkd', { devices: { ...NO_DEVICES, bridges: [{ name: 'br9', addresses: [], mtu: 0 }] } });
    const refusal = async (): Promise<string> => {
      try {
        refuseConflicts(each.persistent, allFiles(each), await takeInventory(files));
        return '';
      } catch (error) {
        return error instanceof DomainError && error.reason === 'PERSISTENCE_CONFLICT' ? error.message : String(error);
      }
    };
    const cases = [
      ['/etc/systemd/network/10-office.network', '[Match]\nName=br9 br10\n', true],
      ['/etc/systemd/network/10-office.network', '[Match]\nName=br*\n', false],
      ['/etc/systemd/network/05-weft-green-br9.netdev', '[NetDev]\nName=other\n', true],
      ['/etc/NetworkManager/system-connections/x', '[connection]\ninterface-name=br9\n', true],
      ['/etc/NetworkManager/system-connections/x', '[connection]\ninterface-name=br90\n', false],
      ['/etc/sysconfig/network-scripts/ifcfg-br9', 'TYPE="Bridge"\n', true],
      ['/etc/sysconfig/network-scripts/ifcfg-x', "DEVICE='br9' # old\n", true],
      ['/etc/sysconfig/network-scripts/ifcfg-br9', 'DEVICE=br8\n', false],
      ['/etc/sysconfig/network-scripts/ifcfg-br9.rpmsave', 'DEVICE=br9\n', false],
    ] as const;
    for (const [path, text, isConflict] of cases) {
      await files.write(path, text, 0o600);
      const message = await refusal();
      if (isConflict) expect(message, path).toContain(path);
      else expect(message, `${path}: ${text}`).toBe('');
      await files.remove(path);
    }
  });

  test('where one file cannot be written, none is, and what there was is there again', async () => {
    const bridges = (mtu: number) => [{ name: 'br9', addresses: [], mtu }];
    const first = desired('networkd', { devices: { ...NO_DEVICES, bridges: bridges(1400) } });
    const before = await bring(first, 'green');
    const second = desired('networkd', { devices: { ...NO_DEVICES, bridges: bridges(1300) } });
    const steps = planFiles('green', [...second.rendered.files, ...second.unmanaged], before);
    expect(steps.map(({ operation }) => operation.kind)).toEqual(['write-file', 'write-file']);
    // A directory's place cannot be taken by a file.
    const blocked = steps.with(1, { ...(steps[1] ?? expect.fail()), path: '/etc/systemd/network' });
    await expect(applyFiles(files, blocked, before)).rejects.toMatchObject({ reason: 'PERSISTENCE_NOT_WRITTEN' });
    expect(await takeInventory(files)).toEqual(before);
    expect((await readdir(join(root, 'etc/systemd'))).filter((name) => name.startsWith('.'))).toEqual([]);
    await bring(undefined, 'green');
  });

  test('a file that NetworkManager wrote anew is still ours, and the same', async () => {
    const each = desired('networkmanager', {
      devices: { ...NO_DEVICES, bridges: [{ name: 'br9', addresses: [], mtu: 0 }] },
    });
    await bring(each, 'green');
    const [file] = each.rendered.files;
    const path = file?.path ?? '';
    const rewritten = (file?.text ?? '').replace(/^#.*\n/, '').replace('[ipv6]\n', '[ipv6]\naddr-gen-mode=default\n');
    await writeFile(`${root}${path}`, `${rewritten}\n[proxy]\n`);
    const inventory = await takeInventory(files);
    expect(inventory.get(path)?.owner).toBe('green');
    expect(planFiles('green', allFiles(each), inventory)).toEqual([]);
    await bring(undefined, 'green');
  });
});
