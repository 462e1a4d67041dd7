// docs/chat.png: the picture in the README, of the real page with the real model after a finished answer.
//   node scripts/screenshot.mjs [FILE]
import { join } from 'node:path';
import { projectRoot, serve } from '../tests/server/serve.mjs';
import { launchChromium } from './browser.mjs';

const file = process.argv[2] ?? join(projectRoot, 'docs/chat.png');
const server = await serve();
const browser = await launchChromium({ webgpu: false });
try {
  const page = await browser.newPage({ viewport: { width: 1080, height: 680 }, colorScheme: 'light' });
  await page.goto(server.origin);
  await page.check('[name=backend][value=cpu]');
  await page.click('#load-default');
  await page.waitForSelector('#prompt:visible', { timeout: 120_000 });
  let answers = 0;
  for (const question of ['What is the capital of France?', 'Why is the sky blue? Answer in two sentences.']) {
    await page.fill('#prompt', question);
    await page.keyboard.press('Enter');
    answers += 1;
    await page.waitForFunction(
      (n) => document.querySelectorAll('.turn.model .note:not(:empty)').length === n, answers, { timeout: 300_000 });
  }
  console.log((await page.locator('.turn.model .body').allInnerTexts()).join('\n---\n'));
  await page.screenshot({ path: file });
  console.log(`screenshot: ${file}`);
} finally {
  await browser.close();
  await server.close();
}
