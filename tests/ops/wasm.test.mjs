// The module that is published has the vector code that its speed depends on: a lost target feature, or a kernel that
// the compiler took apart, would pass every other test at a fraction of the speed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { projectRoot } from '../server/serve.mjs';

/**
 * The instructions that each build's products consist of: how many there are at least, and in how many functions at least
 * `unrolled` of them, which a loop that the compiler took apart or did not unroll would not have. An instruction is the
 * vector prefix and a number as LEB128; other code has these three bytes once in 2^24.
 */
const unrolled = 16;
const baseline = [
  // three packings, each with a product for one row and one for several
  { name: 'i32x4.dot_i16x8_s', bytes: [0xfd, 0xba, 0x01], least: 60, functions: 1 },
];
const relaxed = [
  // 22 products for one row and for several, in each of two forms: loops of two vectors with two quads and four rows, or of four
  { name: 'i16x8.relaxed_dot_i8x16_i7x16_s', bytes: [0xfd, 0x92, 0x02], least: 1200, functions: 20 },
  { name: 'i32x4.relaxed_dot_i8x16_i7x16_add_s', bytes: [0xfd, 0x93, 0x02], least: 900, functions: 20 },
  { name: 'f32x4.relaxed_madd', bytes: [0xfd, 0x85, 0x02], least: 400, functions: 5 },
  { name: 'i8x16.relaxed_swizzle', bytes: [0xfd, 0x80, 0x02], least: 600, functions: 5 },
];
const builds = [
  { file: 'pagelm_bg.wasm', instructions: baseline },
  { file: 'pagelm_relaxed_bg.wasm', instructions: relaxed },
  { file: 'pagelm_threads_bg.wasm', instructions: relaxed },
];

/** The baseline has to run where there is no relaxed SIMD: what comes of chance is a few. */
const foreign = 8;
it('the baseline has no instruction of relaxed SIMD', () => {
  const bodies = functions(readFileSync(join(projectRoot, 'pkg/dist/wasm/pagelm_bg.wasm')));
  assert.ok(bodies.length > 1000, `only ${bodies.length} functions were read`);
  for (const { name, bytes } of relaxed) {
    const all = bodies.reduce((sum, body) => sum + occurrences(body, Buffer.from(bytes)), 0);
    assert.ok(all < foreign, `${all} ${name}`);
  }
});

for (const { file, instructions } of builds) {
  it(`the products of ${file} are vector instructions`, () => {
    const bodies = functions(readFileSync(join(projectRoot, 'pkg/dist/wasm', file)));
    for (const { name, bytes, least, functions: wanted } of instructions) {
      const counts = bodies.map((body) => occurrences(body, Buffer.from(bytes)));
      const all = counts.reduce((sum, count) => sum + count, 0);
      const full = counts.filter((count) => count >= unrolled).length;
      console.log(`${file}: ${all} ${name} in ${counts.filter(Boolean).length} of ${bodies.length} functions, ${full} of them unrolled`);
      assert.ok(all >= least, `${all} ${name}, not ${least}`);
      assert.ok(full >= wanted, `${unrolled} or more ${name} are in ${full} functions, not ${wanted}: loops were taken apart`);
    }
  });
}

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
