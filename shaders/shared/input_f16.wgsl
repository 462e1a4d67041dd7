// Activations as `narrow` has left them: (n, blocks, 8) vectors of four.
@group(0) @binding(3) var<storage, read> x: array<vec4<f16>>;
// (n, blocks)
@group(0) @binding(8) var<storage, read> x_scales: array<vec4<f32>>;

// Activations of one token; past the last token they are copies of its.
fn load_x(token: u32, block: u32) -> Input {
    let item = min(token, params.n - 1u) * params.blocks + block;
    let at = item * 8u;
    let values = Block(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
    return Input(values, x_scales[item]);
}
