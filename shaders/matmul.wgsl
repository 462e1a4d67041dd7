// out (n, rows) = x (n, cols) @ W (rows, cols)ᵀ, for the rows of one chunk of W.
//
// An invocation owns ROWS rows, THREADS apart, and COLS tokens: a tile. It unpacks 32 weights of a row into registers
// and multiplies them with each token; all invocations read the same x, which `input` has. SPLIT invocations may share a tile. In a pair of
// matrices, a tile has rows of both, and what leaves is the activated product of the first times that of the second.
struct Params {
    n: u32,
    // vectors of four from one row of x to the next, if it is as it was computed
    x_stride: u32,
    // f32 from one row of out to the next
    out_stride: u32,
    // blocks of 32 in a row of W; x is zero from cols to 32 * blocks
    blocks: u32,
    // the chunk's first row, in rows of W
    first_row: u32,
    // rows of this chunk
    rows: u32,
    // panels of the chunk in front of W, and from a panel of a pair's first matrix to that of its second
    first_panel: u32,
    up_panel: u32,
    // workgroups along the rows; a two-dimensional grid may have a few more
    row_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn store_one(sum: f32, token: u32, row: u32) {
    if (token < params.n && row < params.rows) {
        out[token * params.out_stride + params.first_row + row] = sum;
    }
}

@compute @workgroup_size(THREADS, SPLIT)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row_group = group.x + group.y * groups.x;
    if (row_group >= params.row_groups) {
        return;
    }
    let row = row_group * (THREADS * ROWS) + local.x;
    let first = group.z * COLS;
    let panel = (params.first_panel + row / PANEL_ROWS) * params.blocks;
    var sums = Sums();
    for (var block = first_block(local.y); block < params.blocks; block += SPLIT) {
        sums += products(panel + block, row % PANEL_ROWS, first, block);
    }
    let result = reduce(sums, local.x, local.y);
    if (local.y == 0u) {
        store(result, first, row);
    }
}
