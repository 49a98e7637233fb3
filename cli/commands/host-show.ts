import type { Command } from '../command.ts';
import { figureOf } from '../picture/figure.ts';
import { drawSvg } from '../picture/svg.ts';
import { drawText } from '../picture/text.ts';

/** A host is looked at: programs run, into each of its namespaces. */
const TIMEOUT_MS = 20_000;

/** `weft host show` */
export const hostShowCommand: Command = {
  path: 'host show',
  summary: 'draw a host: bridges, what is in them, tunnels, namespaces, who is attached where',
  args: ['HOST'],
  formats: ['svg'],
  details:
    "Asks the host's agent, which looks: in a lab by name, elsewhere at --agent. A terminal gets boxes as wide as it is, a\n" +
    'file or a pipe plain characters; `-o svg` a picture, `-o json` what it is made of.',
  run: async ({ args, flags, connections, output, signal }) => {
    const agent = await connections.explain(args[0] ?? '');
    const picture = await agent.getHostPicture({}, { signal, timeoutMs: TIMEOUT_MS });
    output.data(picture);
    const figure = figureOf(picture);
    if (flags.text('output') === 'svg') output.text(drawSvg(figure));
    else
      for (const line of drawText(figure, { columns: output.columns, boxes: output.columns !== undefined }))
        output.text(line);
    return undefined;
  },
};
