import { ARTICLE_LAB, demoArticle } from './article.ts';
import { runDemos } from './voice.ts';

await runDemos({ [ARTICLE_LAB]: demoArticle });
