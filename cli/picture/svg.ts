import type { Figure, FigureBridge, FigureNamespace, FigurePort } from './figure.ts';
import { width } from './words.ts';

const LINE = 18;
const PADDING = 10;
const CHARACTER = 7.3;
const BETWEEN = 16;
const GUTTER = 90;
const MARGIN = 24;
const TITLE = 34;

/** A box with lines of text, some of which have something attached to them. */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly lines: readonly Text[];
  readonly style: string;
}

interface Text {
  readonly text: string;
  readonly style: string;
}

/** The box before it has a place. */
interface Content {
  readonly style: string;
  readonly lines: readonly Text[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const plain = (text: string): Text => ({ text, style: '' });
const strong = (text: string): Text => ({ text, style: 'name' });
const faint = (text: string): Text => ({ text, style: 'faint' });

const heightOf = ({ lines }: { readonly lines: readonly unknown[] }): number => lines.length * LINE + 2 * PADDING - 4;

const columnWidth = (contents: readonly Content[]): number =>
  Math.max(0, ...contents.flatMap(({ lines }) => lines.map(({ text }) => width(text)))) * CHARACTER + 2 * PADDING;

/**
 * The figure as an SVG that needs nothing else: who is attached on the left, bridges in the middle, what leads away on the
 * right, and a line for each port.
 */
export const drawSvg = (figure: Figure): string => {
  const inner = innerContents(figure);
  const outer = outerContents(figure);
  const middle = figure.bridges.map(bridgeContent);
  const [left, centre, right] = [
    columnWidth([...inner.values()]),
    columnWidth(middle),
    columnWidth([...outer.values()]),
  ];
  const innerBoxes = place([...inner.entries()], MARGIN, left);
  const bridgeX = MARGIN + (inner.size === 0 ? 0 : left + GUTTER);
  const bridgeBoxes = place(
    middle.map((content, index) => [figure.bridges[index]?.name ?? '', content] as const),
    bridgeX,
    centre,
  );
  const outerX = bridgeX + centre + GUTTER;
  const outerBoxes = place([...outer.entries()], outerX, right);
  const all = [...innerBoxes.values(), ...bridgeBoxes.values(), ...outerBoxes.values()];
  const size = {
    width: Math.ceil(Math.max(...all.map((box) => box.x + box.width), width(figure.title) * 9) + MARGIN),
    height: Math.ceil(Math.max(TITLE, ...all.map((box) => box.y + heightOf(box))) + MARGIN),
  };
  const wires = figure.bridges.flatMap((bridge) =>
    bridge.ports.flatMap((port) => wiresOf(bridge, port, { innerBoxes, bridgeBoxes, outerBoxes })),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width.toString()} ${size.height.toString()}" ` +
      `width="${size.width.toString()}" height="${size.height.toString()}" role="img">`,
    `<title>${escaped(figure.title)}</title>`,
    STYLE,
    `<rect class="ground" width="100%" height="100%"/>`,
    `<text class="title" x="${MARGIN.toString()}" y="${(MARGIN + 2).toString()}">${escaped(figure.title)}</text>`,
    ...wires,
    ...all.map(boxText),
    '</svg>',
  ].join('\n');
};

const STYLE = `<style>
.ground { fill: #fff; }
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1c2733; }
.title { font-size: 15px; font-weight: 600; }
.name { font-weight: 600; }
.faint { fill: #5b6b7a; }
.foreign { fill: #a03a1c; }
rect.bridge { fill: #eaf2fb; stroke: #3b73af; }
rect.namespace { fill: #f0f7ec; stroke: #5a8f3c; }
rect.guest { fill: #fdf6e3; stroke: #b58a1b; }
rect.away { fill: #f3f3f5; stroke: #80868f; }
path { fill: none; stroke: #80868f; stroke-width: 1.3; }
</style>`;

const foreignStyle = (port: FigurePort): Text => ({
  text: port.foreign ? `${port.device} (foreign)` : port.device,
  style: port.foreign ? 'foreign' : '',
});

const bridgeContent = (bridge: FigureBridge): Content => ({
  style: 'bridge',
  lines: [strong(bridge.name), ...bridge.lines.map(faint), ...bridge.ports.map(foreignStyle)],
});

const namespaceContent = ({ name, title, devices, lines }: FigureNamespace): Content => ({
  style: 'namespace',
  lines: [
    strong(title === '' ? name : title),
    ...(title === '' ? [] : [faint(name)]),
    ...devices.map(([device, addresses]) => plain(`${device} ${addresses}`.trim())),
    ...lines.map((line) => faint(line.length > 60 ? `${line.slice(0, 59)}…` : line)),
  ],
});

/** Namespaces once each, then guests; in the order of the bridges, so that lines cross as little as may be. */
const innerContents = (figure: Figure): ReadonlyMap<string, Content> => {
  const contents = new Map<string, Content>();
  for (const { ports } of figure.bridges) {
    for (const { attachment } of ports) {
      if (attachment === undefined || contents.has(attachment.id)) continue;
      const namespace = figure.namespaces.find(({ name }) => name === attachment.id);
      contents.set(
        attachment.id,
        namespace === undefined
          ? { style: 'guest', lines: [strong(attachment.title), ...attachment.lines.map(plain)] }
          : namespaceContent(namespace),
      );
    }
  }
  for (const namespace of figure.namespaces) {
    if (!contents.has(namespace.name)) contents.set(namespace.name, namespaceContent(namespace));
  }
  return contents;
};

const outerKey = (bridge: string, device: string): string => `${bridge} ${device}`;

const outerContents = (figure: Figure): ReadonlyMap<string, Content> => {
  const contents = new Map<string, Content>();
  for (const bridge of figure.bridges) {
    for (const port of bridge.ports) {
      // A wire to another bridge says it better.
      if (port.outward.length === 0 || isBetween(figure, port)) continue;
      contents.set(outerKey(bridge.name, port.device), { style: 'away', lines: port.outward.map(plain) });
    }
  }
  for (const [device, text] of figure.interfaces) {
    contents.set(device, { style: 'away', lines: [strong(device), ...(text === '' ? [] : [plain(text)])] });
  }
  return contents;
};

const isBetween = (figure: Figure, { peer }: FigurePort): boolean =>
  peer !== '' && figure.bridges.some(({ ports }) => ports.some(({ device }) => device === peer));

const place = (
  contents: readonly (readonly [string, Content])[],
  x: number,
  columns: number,
): ReadonlyMap<string, Box> => {
  let y = MARGIN + TITLE;
  const boxes = new Map<string, Box>();
  for (const [key, content] of contents) {
    boxes.set(key, { ...content, x, y, width: columns });
    y += heightOf(content) + BETWEEN;
  }
  return boxes;
};

const rowY = (box: Box, row: number): number => box.y + PADDING + row * LINE + LINE / 2 - 2;

const rowOf = (box: Box, device: string): number =>
  Math.max(
    0,
    box.lines.findIndex(({ text }) => text === device || text.startsWith(`${device} `)),
  );

interface Places {
  readonly innerBoxes: ReadonlyMap<string, Box>;
  readonly bridgeBoxes: ReadonlyMap<string, Box>;
  readonly outerBoxes: ReadonlyMap<string, Box>;
}

const wiresOf = (bridge: FigureBridge, port: FigurePort, places: Places): readonly string[] => {
  const box = places.bridgeBoxes.get(bridge.name);
  if (box === undefined) return [];
  const y = rowY(box, rowOf(box, port.device));
  const inner = port.attachment === undefined ? undefined : places.innerBoxes.get(port.attachment.id);
  if (inner !== undefined) {
    const row = inner.style === 'namespace' ? rowOf(inner, port.attachment?.lines[0] ?? '') : 0;
    return [wire({ x: inner.x + inner.width, y: rowY(inner, row) }, { x: box.x, y })];
  }
  const outer = places.outerBoxes.get(outerKey(bridge.name, port.device));
  const from = { x: box.x + box.width, y };
  if (outer !== undefined) return [wire(from, { x: outer.x, y: rowY(outer, 0) })];
  // Of a wire between two bridges each end would draw it: the one that is first by name does.
  if (port.peer === '' || port.peer < port.device) return [];
  for (const other of places.bridgeBoxes.values()) {
    const row = other.lines.findIndex(({ text }) => text === port.peer);
    if (row >= 0) return [bow(from, { x: other.x + other.width, y: rowY(other, row) })];
  }
  return [];
};

const at = (...numbers: readonly number[]): string =>
  numbers.map((each) => Number(each.toFixed(1)).toString()).join(' ');

const wire = (from: Point, to: Point): string => {
  const half = (to.x - from.x) / 2;
  return `<path d="M ${at(from.x, from.y)} C ${at(from.x + half, from.y)} ${at(to.x - half, to.y)} ${at(to.x, to.y)}"/>`;
};

const bow = (from: Point, to: Point): string => {
  const out = from.x + GUTTER / 2;
  return `<path d="M ${at(from.x, from.y)} C ${at(out, from.y)} ${at(out, to.y)} ${at(to.x, to.y)}"/>`;
};

const boxText = (box: Box): string =>
  [
    `<rect class="${box.style}" x="${at(box.x)}" y="${at(box.y)}" width="${at(box.width)}" height="${at(heightOf(box))}" rx="4"/>`,
    ...box.lines.map(({ text, style }, index) => {
      const named = style === '' ? '' : ` class="${style}"`;
      return `<text${named} x="${at(box.x + PADDING)}" y="${at(rowY(box, index) + 5)}">${escaped(text)}</text>`;
    }),
  ].join('\n');

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? '');
