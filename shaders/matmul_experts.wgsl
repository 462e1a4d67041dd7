// out (n, used, rows)[i, s] = the expert's W (rows, cols) @ x[i] or x[i, s], for the rows of one chunk of all experts' weights
// below each other; the expert is that in slot s of row i of routes (n, 2 * used). One invocation a (row, slot, i).
struct Params {
    // experts that a row of x goes through
    used: u32,
    // rows of an expert
    rows: u32,
    // rows from one expert to the next: whole panels
    expert_stride: u32,
    // vectors of four from one row of x to the next
    x_stride: u32,
    // vectors of four from one slot of a row of x to the next: 0 if all read the same
    slot_stride: u32,
    // f32 from one row of routes to the next
    routes_stride: u32,
    // f32 from one row of out to the next
    out_stride: u32,
    // blocks of 32 in a row of W; x is zero, or W is, from cols to 32 * blocks
    blocks: u32,
    // the chunk's first row
    first_row: u32,
    // rows of this chunk
    chunk_rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, x_stride) vectors of four
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
// (n, routes_stride) f32
@group(0) @binding(8) var<storage, read> routes: array<f32>;

fn load_x(start: u32, block: u32) -> Block {
    let at = start + block * 8u;
    return Block(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}

@compute @workgroup_size(64)
fn matmul_experts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let row = id.x;
    let slot = group.y;
    let token = group.z;
    let expert = u32(routes[token * params.routes_stride + slot]);
    let stacked = expert * params.expert_stride + row - params.first_row;
    // a row before the chunk wraps around to a large one
    if (row >= params.rows || stacked >= params.chunk_rows) {
        return;
    }
    let panel = stacked / PANEL_ROWS * params.blocks;
    let start = token * params.x_stride + slot * params.slot_stride;
    var sum = 0.0;
    for (var block = 0u; block < params.blocks; block++) {
        let activations = load_x(start, block);
        let w = load_block(panel + block, stacked % PANEL_ROWS);
        sum += product(w, load_scale(panel + block, stacked % PANEL_ROWS), activations, total(activations));
    }
    out[token * params.out_stride + slot * params.rows + row] = sum;
}
