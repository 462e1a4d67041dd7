// What `place` and `attention` do, for a single row: one workgroup a query head. The row's own key is in workgroup memory, so
// that none waits for the cache; the first head of a group stores it.
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
    // multiplies q · k
    scale: f32,
    // positions that a row sees, itself included; more than there are if there is no window
    window: u32,
    // scores s become cap * tanh(s / cap); 0 for none
    cap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (slots, cache_stride) cells
@group(0) @binding(1) var<storage, read_write> keys: array<Cell>;
// (slots, cache_stride) cells
@group(0) @binding(2) var<storage, read_write> values: array<Cell>;
// (n, stride) f32
@group(0) @binding(3) var<storage, read> qkv: array<f32>;
// (n, heads * head_dim) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
// (context, pairs) of (cos, sin)
@group(0) @binding(6) var<storage, read> table: array<vec2<f32>>;
// (head_dim) f32
@group(0) @binding(7) var<storage, read> q_norm: array<f32>;
// (head_dim) f32
@group(0) @binding(8) var<storage, read> k_norm: array<f32>;

// (cells): the row's key, as the cache will give it back
var<workgroup> key: array<vec4<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn attend(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let head = group.x;
    let cached = head / params.group * params.head_stride;
    let here = step_state.position;
    let first = here + 1u - min(here + 1u, params.window);

    load_head(0u, head, at);
    var kept = Kept();
    if (thread < params.cells) {
        query[thread] = head_cell(0u, thread) * params.scale;
        kept = keep_cell(here % params.slots * params.cache_stride + cached, thread, head % params.group == 0u);
        key[thread] = kept.key;
    }
    workgroupBarrier();

    // the row itself comes first; the first of the teams has its value
    var own = 0.0;
    for (var i = 0u; i < params.cells; i++) {
        own += dot(query[i], key[i]);
    }
    let all = with_keys(Softmax(capped(own), 1.0, kept.value), first, here, cached, at);
    put_out(all, head * params.head_dim, thread);
}
