// Stores k and v (n, heads * head_dim) in a layer's cache at the rows' positions: one workgroup a (head, row).
struct Params {
    // elements a head
    head_dim: u32,
    // f32 from one row of k and v to the next
    stride: u32,
    // cells a head
    cells: u32,
    // cells from one head of the cache to the next, and from one position to the next
    head_stride: u32,
    cache_stride: u32,
    // positions that the cache has: position p is in slot p modulo this
    slots: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, stride) f32
@group(0) @binding(1) var<storage, read> k: array<f32>;
// (n, stride) f32
@group(0) @binding(2) var<storage, read> v: array<f32>;
// (slots, cache_stride) cells
@group(0) @binding(3) var<storage, read_write> keys: array<Cell>;
// (slots, cache_stride) cells
@group(0) @binding(4) var<storage, read_write> values: array<Cell>;

@compute @workgroup_size(THREADS)
fn store_kv(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let row = group.y;
    let source = row * params.stride + head * params.head_dim;
    for (var i = thread; i < params.head_dim; i += THREADS) {
        head_values[KEY + i] = k[source + i];
        head_values[VALUE + i] = v[source + i];
    }
    workgroupBarrier();
    if (thread < params.cells) {
        let position = (step_state.position + row) % params.slots * params.cache_stride;
        keep_cell(position + head * params.head_stride, thread, true);
    }
}
