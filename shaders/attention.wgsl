// out (n, heads * head_dim) = causal softmax attention of q (n, heads * head_dim) over a layer's cache. Rows of queries are counted by
// token and then by query head of a group, and the next CREWS * ROWS of them are one workgroup's, for each key/value head.
// A head_dim of at most 256 fits: it is at most KEYS cells.
struct Params {
    // rows of queries: tokens times the query heads of a group
    rows: u32,
    // query heads that share a key/value head
    group: u32,
    // elements a head
    head_dim: u32,
    // f32 from one row of q to the next, and of out
    stride: u32,
    out_stride: u32,
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
@group(0) @binding(1) var<storage, read> keys: array<Cell>;
// (slots, cache_stride) cells
@group(0) @binding(2) var<storage, read> values: array<Cell>;
// (n, stride) f32
@group(0) @binding(3) var<storage, read> q: array<f32>;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// The first position that a token sees, and the position behind the last.
fn seen_by(token: u32) -> vec2<u32> {
    // causal: its own position and all before it
    let end = step_state.position + token + 1u;
    return vec2<u32>(end - min(end, params.window), end);
}

@compute @workgroup_size(THREADS)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = thread % KEYS;
    let first_row = group.y * (CREWS * ROWS);
    let own_row = first_row + thread / KEYS * ROWS;
    let first_head = group.x * params.group;

    var queries = Cells();
    var seen = Seen();
    for (var i = 0u; i < ROWS; i++) {
        let row = own_row + i;
        if (row < params.rows) {
            let token = row / params.group;
            let range = seen_by(token);
            seen.first = with_place(seen.first, i, range.x);
            seen.count = with_place(seen.count, i, range.y - range.x);
            if (lane < params.cells) {
                let begin = token * params.stride + (first_head + row % params.group) * params.head_dim + 4u * lane;
                var x = vec4<f32>();
                for (var j = 0u; j < min(4u, params.head_dim - 4u * lane); j++) {
                    x[j] = q[begin + j];
                }
                queries = with_cell(queries, i, x * params.scale);
            }
        }
    }
    query[thread] = queries;
    workgroupBarrier();
    let first = seen_by(first_row / params.group).x;
    let end = seen_by((min(first_row + CREWS * ROWS, params.rows) - 1u) / params.group).y;
    let none = Softmax(Rows(LOWEST), Rows(), Cells());
    let all = joined(with_keys(none, first, end, seen, group.x * params.head_stride, thread), thread);
    for (var i = 0u; i < ROWS; i++) {
        let row = own_row + i;
        if (row < params.rows && lane < params.cells) {
            let head = first_head + row % params.group;
            put_cell(all, i, row / params.group * params.out_stride + head * params.head_dim, lane);
        }
    }
}
