// The module that is published has the vector code that its speed depends on: a lost target feature, or a kernel that
// the compiler took apart, would pass every other test at a fraction of the speed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { projectRoot } from '../server/serve.mjs';

/** i32x4.dot_i16x8_s: the vector prefix, then 0xba as LEB128. Other code has these three bytes once in 2^24. */
const dot = Buffer.from([0xfd, 0xba, 0x01]);
/** Three packings, each with a product for one row and one for several, with 10 or more when a line is unrolled. */
const dots = 60;
/** What the largest of these products has. */
const unrolled = 16;

it('the integer dot products are vector instructions', () => {
  const bodies = functions(readFileSync(join(projectRoot, 'pkg/dist/wasm/pagelm_bg.wasm')));
  const counts = bodies.map((body) => occurrences(body, dot));
  const all = counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(...counts);
  console.log(`${all} in ${counts.filter(Boolean).length} of ${bodies.length} functions, at most ${most} in one`);
  assert.ok(all >= dots, `${all} i32x4.dot_i16x8_s, not ${dots}`);
  assert.ok(most >= unrolled, `at most ${most} i32x4.dot_i16x8_s in one function: the loops were taken apart`);
});

/** @param {Buffer} where @param {Buffer} what */
function occurrences(where, what) {
  let count = 0;
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + 1)) count++;
  return count;
}

/**
 * The bodies of a module's functions: the code section is number 10.
 * @param {Buffer} module
 */
function functions(module) {
  let at = 8; // magic number and version
  const leb = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = module[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < module.length) {
    const section = module[at++];
    const size = leb();
    if (section !== 10) {
      at += size;
      continue;
    }
    return Array.from({ length: leb() }, () => {
      const length = leb();
      at += length;
      return module.subarray(at - length, at);
    });
  }
  throw new Error('the module has no code');
}
