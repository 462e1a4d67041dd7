// www/icons/*.png, painted by the browser from www/icon.svg. Run it when the drawing changes.
//   node scripts/icons.mjs
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';
import { launchChromium } from './browser.mjs';

/** `share`: of the square that the drawing fills. A maskable icon may lose a tenth at each side, and is opaque. */
const icons = [
  { file: '192.png', size: 192, share: 0.92 },
  { file: '512.png', size: 512, share: 0.92 },
  { file: 'maskable-512.png', size: 512, share: 0.6, paper: '#f7f2e8' },
  { file: 'apple-touch-180.png', size: 180, share: 0.68, paper: '#f7f2e8' },
];

const drawing = readFileSync(join(projectRoot, 'www/icon.svg'), 'utf8');
const browser = await launchChromium({ webgpu: false });
try {
  for (const { file, size, share, paper = 'transparent' } of icons) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    await page.setContent(`<style>
      body { margin: 0; height: 100vh; display: grid; place-items: center; background: ${paper}; }
      svg { width: ${share * 100}%; height: ${share * 100}%; }
    </style>${drawing}`);
    await page.screenshot({ path: join(projectRoot, 'www/icons', file), omitBackground: paper === 'transparent' });
    await page.close();
    console.log(`icons: www/icons/${file}`);
  }
} finally {
  await browser.close();
}
