import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PagelmError, errorFromData, errorToData, toPagelmError } from '../build/errors.js';
import * as otherCopy from '../build/errors.js?copy';

test('an error has a code, a message and a cause', () => {
  const cause = new Error('below');
  const error = new PagelmError('network', 'sentence', { cause });
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.code, error.message, error.cause], ['PagelmError', 'network', 'sentence', cause]);
});

test('isInstance works across copies of the package, and only for its errors', () => {
  assert.notEqual(otherCopy.PagelmError, PagelmError);
  const foreign = new otherCopy.PagelmError('closed', '');
  assert.equal(foreign instanceof PagelmError, false);
  assert.equal(PagelmError.isInstance(foreign), true);
  for (const other of [new Error('x'), { code: 'network', name: 'PagelmError' }, null, undefined, 'network']) {
    assert.equal(PagelmError.isInstance(other), false);
  }
});

test('an error survives a structured clone, causes included', () => {
  const error = new PagelmError('storage', 'a', { cause: new PagelmError('network', 'b', { cause: new TypeError('c') }) });
  const back = errorFromData(structuredClone(errorToData(error)));
  assert.ok(PagelmError.isInstance(back) && PagelmError.isInstance(back.cause));
  assert.deepEqual([back.code, back.message, back.cause.code, back.cause.message], ['storage', 'a', 'network', 'b']);
  assert.match(back.cause.cause.message, /TypeError: c/);
});

test('an engine error keeps its code and loses the repeated prefix; anything else is the fallback', () => {
  const engine = toPagelmError(Object.assign(new Error('out-of-memory: 5 bytes'), { code: 'out-of-memory' }));
  assert.deepEqual([engine.code, engine.message], ['out-of-memory', '5 bytes']);
  assert.equal(toPagelmError(Object.assign(new Error('x'), { code: 'ENOENT' })).code, 'internal');
  assert.equal(toPagelmError(new TypeError('x'), 'network').code, 'network');
  assert.equal(toPagelmError('thrown text').message, 'thrown text');
});
