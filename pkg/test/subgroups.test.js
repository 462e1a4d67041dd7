import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askForSubgroups } from '../build/subgroups.js';

test('devices are asked for with subgroups where the adapter has them, and else as they were', async () => {
  for (const has of [true, false]) {
    class Adapter {
      features = new Set(has ? ['shader-f16', 'subgroups'] : ['shader-f16']);
      async requestDevice(descriptor) { return { adapter: this, descriptor }; }
    }
    askForSubgroups(Adapter);
    const adapter = new Adapter();
    const limits = { maxBufferSize: 1 };
    const { adapter: asked, descriptor } = await adapter.requestDevice({ requiredLimits: limits, requiredFeatures: ['shader-f16'] });
    assert.equal(asked, adapter);
    assert.equal(descriptor.requiredLimits, limits);
    assert.deepEqual([...descriptor.requiredFeatures], has ? ['shader-f16', 'subgroups'] : ['shader-f16']);
    const bare = (await adapter.requestDevice()).descriptor;
    assert.deepEqual([...(bare.requiredFeatures ?? [])], has ? ['subgroups'] : []);
  }
  askForSubgroups(undefined);
});
