// Stores k and v (n, width) in a layer's cache at the rows' positions.
struct Params {
    n: u32,
    // vectors of four from one row to the next, in k, v and the cache alike
    stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, stride) vectors of four
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>;
// (n, stride) vectors of four
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
// (context, stride) vectors of four
@group(0) @binding(3) var<storage, read_write> keys: array<vec4<f32>>;
// (context, stride) vectors of four
@group(0) @binding(4) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(64)
fn store_kv(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.stride || id.y >= params.n) {
        return;
    }
    let source = id.y * params.stride + id.x;
    let cached = (step_state.position + id.y) * params.stride + id.x;
    keys[cached] = k[source];
    values[cached] = v[source];
}
