// What `place` and `attention` do, for a single token. A workgroup has up to CREWS * ROWS query heads of one key/value head, so that keys
// and values are read once for all of them. The token's own key is in workgroup memory, so that none waits for the cache; the first of a
// group's workgroups stores it. Behind a long context up to `splits` workgroups share the positions, and the one that comes last puts
// together what they have found. WGSL does not promise that what another workgroup has stored before it came is seen
// then, even if both are atomic; so what is not there yet is 0, and is waited for, and what is taken becomes 0 again.
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
    // workgroups that may share a context, at most MAX_SPLITS
    splits: u32,
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

// Of the workgroups along x: (workgroups) how many of those that share have come, then (workgroups, splits, CREWS * ROWS, 2 + 4 * cells) bits
// of f32: a row's largest score, its sum of weights, its sums. All 0 between dispatches.
@group(0) @binding(9) var<storage, read_write> partials: array<atomic<u32>>;

// Tiles of keys that a workgroup of several has at least; a few less where they do not divide.
const LEAST_TILES = 2u;

// (cells): the token's key, as the cache will give it back
var<workgroup> key: array<vec4<f32>, KEYS>;
// 1 for the workgroup that comes last
var<workgroup> is_last: u32;

fn leave(at: u32, x: f32) {
    let bits = bitcast<u32>(x);
    // 0 is -0
    atomicStore(&partials[at], select(bits, 0x80000000u, bits == 0u));
}

// What is left there, which is on its way; NaN if it never comes.
fn take(at: u32) -> f32 {
    var bits = atomicExchange(&partials[at], 0u);
    for (var tries = 0u; tries < 1000000u && bits == 0u; tries++) {
        bits = atomicExchange(&partials[at], 0u);
    }
    return bitcast<f32>(select(bits, 0x7fc00000u, bits == 0u));
}

// Where a crew's rows of one of those that share begin, and how many words a row has.
fn left_at(groups: u32, group: u32, split: u32, crew: u32) -> u32 {
    return groups + ((group * params.splits + split) * CREWS + crew) * ROWS * left_words();
}

fn left_words() -> u32 {
    return 2u + 4u * params.cells;
}

fn leave_all(all: Softmax, at: u32, lane: u32) {
    for (var i = 0u; i < ROWS; i++) {
        let row = at + i * left_words();
        if (lane == 0u) {
            leave(row, of_row(all.largest, i));
            leave(row + 1u, of_row(all.total, i));
        }
        if (lane < params.cells) {
            let cell = cell_of(all.sum, i);
            for (var j = 0u; j < 4u; j++) {
                leave(row + 2u + 4u * lane + j, cell[j]);
            }
        }
    }
}

// What `splits` workgroups have left, in their order, whichever came last.
fn take_all(groups: u32, group: u32, splits: u32, thread: u32) -> Softmax {
    let crew = thread / KEYS;
    let lane = thread % KEYS;
    if (lane < splits) {
        var largest = Rows();
        var total = Rows();
        for (var i = 0u; i < ROWS; i++) {
            let row = left_at(groups, group, lane, crew) + i * left_words();
            largest = with_row(largest, i, take(row));
            total = with_row(total, i, take(row + 1u));
        }
        scores[crew * KEYS + lane] = largest;
        scores[crew * KEYS + MAX_SPLITS + lane] = total;
    }
    workgroupBarrier();
    var all = Softmax(Rows(LOWEST), Rows(), Cells());
    for (var i = 0u; i < splits; i++) {
        all.largest = max(all.largest, scores[crew * KEYS + i]);
    }
    for (var i = 0u; i < splits; i++) {
        let shrink = exp(scores[crew * KEYS + i] - all.largest);
        all.total += shrink * scores[crew * KEYS + MAX_SPLITS + i];
        if (lane < params.cells) {
            var sum = Cells();
            for (var j = 0u; j < ROWS; j++) {
                let left = left_at(groups, group, i, crew) + j * left_words() + 2u + 4u * lane;
                sum = with_cell(sum, j, vec4<f32>(take(left), take(left + 1u), take(left + 2u), take(left + 3u)));
            }
            all.sum += scaled(sum, shrink);
        }
    }
    return all;
}

@compute @workgroup_size(THREADS)
fn attend(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let crew = thread / KEYS;
    let lane = thread % KEYS;
    let here = step_state.position;
    let first = here + 1u - min(here + 1u, params.window);
    // tiles of the positions before this one, and those of each workgroup that shares them
    let first_tile = first / KEYS;
    let tiles = (here + KEYS - 1u) / KEYS - first_tile;
    let wanted = clamp(tiles / LEAST_TILES, 1u, params.splits);
    let each = max(1u, (tiles + wanted - 1u) / wanted);
    let splits = max(1u, (tiles + each - 1u) / each);
    if (group.y >= splits) {
        return;
    }
    let parts = (params.group + CREWS * ROWS - 1u) / (CREWS * ROWS);
    let kv_head = group.x / parts;
    let member = group.x % parts * (CREWS * ROWS);
    let members = min(params.group - member, CREWS * ROWS);
    let first_head = kv_head * params.group + member;
    let cached = kv_head * params.head_stride;

    var queries = Cells();
    for (var i = 0u; i < members; i++) {
        load_head(0u, first_head + i, i == 0u, at);
        if (crew == i / ROWS && lane < params.cells) {
            queries = with_cell(queries, i % ROWS, head_cell(0u, lane) * params.scale);
        }
        workgroupBarrier();
    }
    query[thread] = queries;
    var kept = Kept();
    if (lane < params.cells) {
        let stores = group.y == 0u && member == 0u && crew == 0u;
        kept = keep_cell(here % params.slots * params.cache_stride + cached, lane, stores);
        key[lane] = kept.key;
    }
    workgroupBarrier();

    var all = Softmax(Rows(LOWEST), Rows(), Cells());
    if (group.y == 0u) {
        // the token itself comes first; the first of the teams has its value
        var own = Rows();
        for (var i = 0u; i < params.cells; i++) {
            own += dots(query[crew * KEYS + i], key[i]);
        }
        let weight = Rows(select(0.0, 1.0, lane == 0u));
        all = Softmax(capped(own), weight, with_weighted(Cells(), Rows(1.0), kept.value));
    }
    let tile = first_tile + group.y * each;
    let seen = Seen(Places(first), Places(here - first));
    all = with_keys(all, max(first, tile * KEYS), min(here, (tile + each) * KEYS), seen, cached, thread);
    all = joined(all, thread);
    if (splits > 1u) {
        leave_all(all, left_at(groups.x, group.x, group.y, crew), lane);
        storageBarrier();
        if (thread == 0u) {
            is_last = u32(atomicAdd(&partials[group.x], 1u) + 1u == splits);
            if (is_last == 1u) {
                atomicStore(&partials[group.x], 0u);
            }
        }
        if (workgroupUniformLoad(&is_last) == 0u) {
            return;
        }
        all = take_all(groups.x, group.x, splits, thread);
    }
    for (var i = 0u; i < ROWS; i++) {
        let head = crew * ROWS + i;
        if (head < members && lane < params.cells) {
            put_cell(all, i, (first_head + head) * params.head_dim, lane);
        }
    }
}
