import { labList } from '../../cli/lab/index.ts';
import { articleLab, ArticleReplay } from '../article/replay.ts';
import { demoVoice } from './voice.ts';

/** The lab of this demo. */
export const ARTICLE_LAB = 'article';

/**
 * What Neutron builds for a provider network, a self-service network and a router between them, by weft: after each step what
 * changed on which host, as commands, grouped by what led to them, and where each device came from.
 */
export const demoArticle = async (): Promise<void> => {
  const voice = demoVoice(ARTICLE_LAB);
  voice.heading('a controller that serves networks, a compute host, and a wire to the internet');
  await using lab = await articleLab(ARTICLE_LAB);
  for (const { name, underlayAddress } of lab.lab.hosts) voice.say(`    ${name}: ${underlayAddress}`);
  const replay = new ArticleReplay(lab, voice);
  await replay.forward();
  await replay.backward();
  await lab.down();
  voice.verify(
    !labList().some(({ name }) => name === ARTICLE_LAB),
    'the lab is gone: no namespace, no process, no file',
  );
};
