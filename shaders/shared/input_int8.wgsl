// Activations as `narrow` has left them: (n, blocks, 2) vectors of sixteen.
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
// (n, blocks)
@group(0) @binding(8) var<storage, read> x_scales: array<vec4<f32>>;

// Activations of one token; past the last token they are copies of its.
fn load_x(token: u32, block: u32) -> Input {
    let item = min(token, params.n - 1u) * params.blocks + block;
    let a = x[2u * item];
    let b = x[2u * item + 1u];
    return Input(Block(a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w), x_scales[item]);
}
