// Norms and rotates queries in place, and stores keys, normed and rotated, and values in a layer's cache at the rows'
// positions: one workgroup a (query head, row). The first head of a group writes its key and value.
struct Params {
    // query heads that share a key/value head
    group: u32,
    // elements a head
    head_dim: u32,
    // f32 from one row to the next; queries are first in it
    stride: u32,
    // where in a row keys and values begin
    k_at: u32,
    v_at: u32,
    // pairs that rotate; 0 for none
    pairs: u32,
    // from the first element of a pair to the second, and to the first of the next pair
    distance: u32,
    pair_stride: u32,
    // whether heads are normed: bit 0 of queries, bit 1 of keys
    normed: u32,
    eps: f32,
    // cells a head
    cells: u32,
    // cells from one head of the cache to the next, and from one position to the next
    head_stride: u32,
    cache_stride: u32,
    // positions that the cache has: position p is in slot p modulo this
    slots: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (slots, cache_stride) cells
@group(0) @binding(1) var<storage, read_write> keys: array<Cell>;
// (slots, cache_stride) cells
@group(0) @binding(2) var<storage, read_write> values: array<Cell>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> qkv: array<f32>;
// (context, pairs) of (cos, sin)
@group(0) @binding(6) var<storage, read> table: array<vec2<f32>>;
// (head_dim) f32
@group(0) @binding(7) var<storage, read> q_norm: array<f32>;
// (head_dim) f32
@group(0) @binding(8) var<storage, read> k_norm: array<f32>;

@compute @workgroup_size(THREADS)
fn place(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let head = group.x;
    let row = group.y;
    load_head(row, head, true, at);
    for (var i = thread; i < params.head_dim; i += THREADS) {
        qkv[query_at(row, head) + i] = head_values[i];
    }
    if (head % params.group == 0u && thread < params.cells) {
        let position = (step_state.position + row) % params.slots * params.cache_stride;
        keep_cell(position + head / params.group * params.head_stride, thread, true);
    }
}
