// Rotates pairs of each head of x (n, heads * head_dim), in place, by the row's position: one invocation a pair.
struct Params {
    n: u32,
    heads: u32,
    // elements a head
    head_dim: u32,
    // pairs a head: half of the elements that rotate
    pairs: u32,
    // f32 from one row of x to the next
    stride: u32,
    // from the first element of a pair to the second: 1, or `pairs` for NeoX
    distance: u32,
    // from the first element of a pair to that of the next pair: 2, or 1 for NeoX
    pair_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (context, pairs) of (cos, sin)
@group(0) @binding(1) var<storage, read> table: array<vec2<f32>>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn rope(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    if (id.x >= params.heads * params.pairs || row >= params.n) {
        return;
    }
    let head = id.x / params.pairs;
    let pair = id.x % params.pairs;
    let a = row * params.stride + head * params.head_dim + pair * params.pair_stride;
    let b = a + params.distance;
    let turn = table[(step_state.position + row) * params.pairs + pair];
    let v = vec2<f32>(x[a], x[b]);
    x[a] = v.x * turn.x - v.y * turn.y;
    x[b] = v.x * turn.y + v.y * turn.x;
}
