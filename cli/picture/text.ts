import type { Attachment, Figure, FigureBridge, FigureNamespace, FigurePort } from './figure.ts';
import { fit, pad, width } from './words.ts';

/** How a figure is drawn. */
export interface TextOptions {
  /** Columns of the terminal; none: as wide as it is. */
  readonly columns: number | undefined;
  /** Without, all that is drawn are characters of ASCII. */
  readonly boxes: boolean;
}

type Signs = Readonly<Record<'h' | 'v' | 'tl' | 'tr' | 'bl' | 'br' | 'toRight' | 'toLeft', string>>;

const BOXES: Signs = { h: '─', v: '│', tl: '┌', tr: '┐', bl: '└', br: '┘', toRight: '├', toLeft: '┤' };
const ASCII: Signs = { h: '-', v: '|', tl: '+', tr: '+', bl: '+', br: '+', toRight: '+', toLeft: '+' };

/** Narrower than this there is no room for three columns. */
const NARROW = 72;
const GAP = 4;
const MAX_LEFT = 34;

/** The figure as lines of text. */
export const drawText = (figure: Figure, { columns, boxes }: TextOptions): readonly string[] => {
  const signs = boxes ? BOXES : ASCII;
  const wide = columns === undefined || columns >= NARROW;
  const limit = columns ?? Number.MAX_SAFE_INTEGER;
  const attachments = figure.bridges.flatMap(({ ports }) => ports.map(({ attachment }) => boxWidth(attachment)));
  const leftWidth = Math.min(MAX_LEFT, Math.max(0, ...attachments));
  const lines = [
    figure.title,
    ...figure.bridges.flatMap((bridge) => [
      '',
      ...(wide ? drawBridge(bridge, { leftWidth, columns: limit, signs }) : listBridge(bridge)),
    ]),
    ...figure.namespaces.flatMap((namespace) => ['', ...drawNamespace(namespace, signs, limit, wide)]),
    ...(figure.interfaces.length === 0 ? [] : ['']),
    ...tabled(figure.interfaces),
  ];
  return lines.map((line) => fit(line.trimEnd(), limit));
};

/** One line across: a box on the left, the bridge, and what leads away on the right. */
interface Line {
  left: string;
  /** A port is attached on this side. */
  joinsLeft: boolean;
  middleLeft: string;
  middleRight: string;
  joinsRight: boolean;
  right: string;
}

const emptyLine = (): Line => ({
  ...{ left: '', joinsLeft: false, middleLeft: '', middleRight: '', joinsRight: false, right: '' },
});

const nameOf = ({ device, foreign }: FigurePort): string => (foreign ? `${device} (foreign)` : device);

/** What all bridges of a figure share. */
interface Room {
  readonly leftWidth: number;
  readonly columns: number;
  readonly signs: Signs;
}

const drawBridge = (bridge: FigureBridge, room: Room): readonly string[] => {
  const { leftWidth, signs } = room;
  const header = [bridge.name, ...bridge.lines];
  const lines: Line[] = header.map((text) => ({ ...emptyLine(), middleLeft: text }));
  const at = (index: number): Line => {
    while (lines.length <= index) lines.push(emptyLine());
    return lines[index] ?? emptyLine();
  };
  const inner = bridge.ports.filter(({ attachment }) => attachment !== undefined);
  let next = header.length;
  for (const port of inner) {
    for (const [index, text] of drawBox(port.attachment, leftWidth, signs).entries()) {
      const line = at(next + index);
      line.left = text;
      if (index !== 1) continue;
      line.middleLeft = nameOf(port);
      line.joinsLeft = true;
    }
    next = lines.length;
  }
  next = header.length;
  for (const port of bridge.ports) {
    if (port.attachment !== undefined) continue;
    const [first = '', ...more] = port.outward;
    const line = at(next);
    line.middleRight = nameOf(port);
    line.joinsRight = first !== '';
    line.right = first;
    for (const [index, text] of more.entries()) at(next + 1 + index).right = `  ${text}`;
    next += Math.max(1, port.outward.length);
  }
  return joinLines(lines, room);
};

const joinLines = (lines: readonly Line[], { leftWidth, columns, signs }: Room): readonly string[] => {
  const middle = Math.max(
    ...lines.map(
      ({ middleLeft, middleRight }) => width(middleLeft) + width(middleRight) + (middleRight === '' ? 0 : 3),
    ),
  );
  const gap = leftWidth === 0 ? 0 : GAP;
  const rightWidth = columns - leftWidth - gap - middle - 2 * 2 - GAP;
  const indent = ' '.repeat(leftWidth + gap);
  const border = (left: string, right: string): string => indent + left + signs.h.repeat(middle + 2) + right;
  return [
    border(signs.tl, signs.tr),
    ...lines.map((line) => {
      const space = middle - width(line.middleLeft) - width(line.middleRight);
      const text = `${line.middleLeft}${' '.repeat(space)}${line.middleRight}`;
      const before = pad(line.left, leftWidth) + (line.joinsLeft ? signs.h : ' ').repeat(gap);
      const after = `${line.joinsRight ? signs.h.repeat(GAP - 1) : ' '.repeat(GAP - 1)} ${fit(line.right, rightWidth)}`;
      const [own, far] = [line.joinsLeft ? signs.toLeft : signs.v, line.joinsRight ? signs.toRight : signs.v];
      return `${before}${own} ${text} ${far}${line.right === '' ? '' : after}`;
    }),
    border(signs.bl, signs.br),
  ];
};

const boxWidth = (box: Attachment | undefined): number =>
  box === undefined ? 0 : Math.max(width(box.title), ...box.lines.map(width)) + 4;

/** Its second line is where it is attached. */
const drawBox = (box: Attachment | undefined, columns: number, signs: Signs): readonly string[] => {
  const lines = box === undefined ? [] : [box.title, ...box.lines];
  return [
    signs.tl + signs.h.repeat(columns - 2) + signs.tr,
    ...lines.map((text, index) => `${signs.v} ${pad(text, columns - 4)} ${index === 0 ? signs.toRight : signs.v}`),
    signs.bl + signs.h.repeat(columns - 2) + signs.br,
  ];
};

const listBridge = (bridge: FigureBridge): readonly string[] => [
  `${bridge.name}: ${bridge.lines.join(', ')}`,
  ...bridge.ports.flatMap((port) => [
    `  ${nameOf(port)}`,
    ...(port.attachment === undefined ? [] : [port.attachment.title, ...port.attachment.lines]).map(
      (line) => `    ${line}`,
    ),
    ...port.outward.map((line) => `    ${line}`),
  ]),
];

const tabled = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = rows.reduce<readonly number[]>(
    (sofar, row) => row.map((cell, index) => Math.max(sofar[index] ?? 0, width(cell))),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, index) => pad(cell, widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

const drawNamespace = (
  { name, title, devices, lines }: FigureNamespace,
  signs: Signs,
  columns: number,
  wide: boolean,
): readonly string[] => {
  const head = title === '' ? name : `${name} ${signs.h} ${title}`;
  const body = [
    ...tabled(devices.map(([device, addresses, peer]) => [device, addresses, peer === '' ? '' : `other end ${peer}`])),
    ...lines,
  ];
  if (!wide) return [head, ...body.map((line) => `  ${line}`)];
  const inner = Math.min(columns - 4, Math.max(width(head) + 1, ...body.map(width)));
  const cut = fit(head, inner - 1);
  return [
    `${signs.tl}${signs.h} ${cut} ${signs.h.repeat(Math.max(0, inner - width(cut) - 1))}${signs.tr}`,
    ...body.map((line) => `${signs.v} ${pad(line, inner)} ${signs.v}`),
    signs.bl + signs.h.repeat(inner + 2) + signs.br,
  ];
};
