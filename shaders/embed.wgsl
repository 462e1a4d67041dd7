// out (n, cols) = rows of W (vocabulary, cols) named by the step's tokens, times a factor, for tokens in one chunk of W.
struct Params {
    n: u32,
    // weights in a row
    cols: u32,
    // f32 from one row of out to the next; the last block's padding stays zero
    out_stride: u32,
    // blocks of 32 in a row of W
    blocks: u32,
    // the chunk's first row, in rows of W
    first_row: u32,
    // rows of this chunk
    rows: u32,
    factor: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, out_stride / 4) vectors of four
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

// Past the end of a row the packed weight is a zero code, which is not the weight zero if a type has a minimum.
fn masked(w: vec4<f32>, element: u32) -> vec4<f32> {
    let at = vec4<u32>(element) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(), params.factor * w, at < vec4<u32>(params.cols));
}

@compute @workgroup_size(64)
fn embed(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let token = id.y;
    if (block >= params.blocks || token >= params.n) {
        return;
    }
    let row = step_state.tokens[token] - params.first_row;
    // a token before the chunk wraps around to a large row
    if (row >= params.rows) {
        return;
    }
    let panel_block = row / PANEL_ROWS * params.blocks + block;
    let w = load_block(panel_block, row % PANEL_ROWS);
    let s = load_scale(panel_block, row % PANEL_ROWS);
    let at = token * (params.out_stride / 4u) + block * 8u;
    out[at] = masked(weight(w[0], s, 0u), block * 32u);
    out[at + 1u] = masked(weight(w[1], s, 1u), block * 32u + 4u);
    out[at + 2u] = masked(weight(w[2], s, 2u), block * 32u + 8u);
    out[at + 3u] = masked(weight(w[3], s, 3u), block * 32u + 12u);
    out[at + 4u] = masked(weight(w[4], s, 4u), block * 32u + 16u);
    out[at + 5u] = masked(weight(w[5], s, 5u), block * 32u + 20u);
    out[at + 6u] = masked(weight(w[6], s, 6u), block * 32u + 24u);
    out[at + 7u] = masked(weight(w[7], s, 7u), block * 32u + 28u);
}
