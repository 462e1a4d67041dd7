// The reference of the API is made without a warning, and has what the package exports.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../server/serve.mjs';

test('make docs', { timeout: 300_000 }, (t) => {
  const out = mkdtempSync(join(tmpdir(), 'pagelm-docs-'));
  t.after(() => rmSync(out, { recursive: true, force: true }));
  // warnings are errors there (docs/reference/typedoc.json)
  execFileSync(join(projectRoot, 'scripts/build-docs.sh'), ['--out', out], { stdio: ['ignore', 'inherit', 'inherit'] });
  const pages = readdirSync(out, { recursive: true, encoding: 'utf8' });
  for (const page of ['index.html', 'functions/index.load.html', 'functions/index.inspect.html', 'interfaces/index.Model.html', 'functions/openai.openai.html', 'functions/service-worker.serve.html', 'functions/ai-sdk.languageModel.html']) {
    assert.ok(pages.includes(page), `${page} is missing; there are ${pages.filter((path) => path.endsWith('.html')).length} pages`);
  }
  assert.match(readFileSync(join(out, 'functions/index.load.html'), 'utf8'), /Loads a GGUF model/);
});
