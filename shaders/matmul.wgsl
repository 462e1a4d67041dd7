// out (n, rows) = x (n, cols) @ W (rows, cols)ᵀ, for the rows of one chunk of W.
//
// An invocation owns one row and COLS tokens. It dequantises 32 weights into registers and multiplies them with each
// token; all rows of a workgroup read the same x. SPLIT invocations may share a row.
struct Params {
    n: u32,
    // vectors of four from one row of x to the next
    x_stride: u32,
    // f32 from one row of out to the next
    out_stride: u32,
    // blocks of 32 in a row of W; x is zero from cols to 32 * blocks
    blocks: u32,
    // the chunk's first row, in rows of W
    first_row: u32,
    // rows of this chunk
    rows: u32,
    // workgroups along the rows; a two-dimensional grid may have a few more
    row_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, x_stride) vectors of four
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// Tokens past the last are computed as copies of it and not stored.
fn dot_block(w: Block, token: u32, block: u32) -> f32 {
    let at = min(token, params.n - 1u) * params.x_stride + block * 8u;
    return (dot(w[0], x[at]) + dot(w[1], x[at + 1u])) + (dot(w[2], x[at + 2u]) + dot(w[3], x[at + 3u]))
        + (dot(w[4], x[at + 4u]) + dot(w[5], x[at + 5u])) + (dot(w[6], x[at + 6u]) + dot(w[7], x[at + 7u]));
}

fn store_one(sum: f32, token: u32, row: u32) {
    if (token < params.n) {
        out[token * params.out_stride + params.first_row + row] = sum;
    }
}

@compute @workgroup_size(ROWS, SPLIT)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row_group = group.x + group.y * groups.x;
    if (row_group >= params.row_groups) {
        return;
    }
    let row = row_group * ROWS + local.x;
    let first = group.z * COLS;
    let panel = row / PANEL_ROWS * params.blocks;
    var sums = Sums();
    for (var block = first_block(local.y); block < params.blocks; block += SPLIT) {
        sums += products(load_block(panel + block, row % PANEL_ROWS), first, block);
    }
    let total = reduce(sums, local.x, local.y);
    if (local.y == 0u && row < params.rows) {
        store(total, first, row);
    }
}
