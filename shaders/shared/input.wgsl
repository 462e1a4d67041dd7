// Activations as they are: (n, x_stride) vectors of four.
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

// Activations of one token; past the last token they are copies of its.
fn load_x(token: u32, block: u32) -> Input {
    let at = min(token, params.n - 1u) * params.x_stride + block * 8u;
    return Input(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}
