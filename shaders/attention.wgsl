// out (n, heads * head_dim) = causal softmax attention of q (n, heads * head_dim) over a layer's cache: one
// workgroup a (head, row). Keys are taken THREADS at a time with an online softmax (Milakov and Gimelshein 2018).
// A head_dim of at most 256 fits: it is at most THREADS lanes.
struct Params {
    // query heads that share a key/value head
    group: u32,
    // lanes a head
    lanes: u32,
    // lanes from one row of q to the next, and of out
    stride: u32,
    out_stride: u32,
    // lanes from one position of the cache to the next
    cache_stride: u32,
    // multiplies q · k
    scale: f32,
    // positions that a row sees, itself included; more than there are if there is no window
    window: u32,
    // scores s become cap * tanh(s / cap); 0 for none
    cap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (context, cache_stride) lanes
@group(0) @binding(1) var<storage, read> keys: array<Lane>;
// (context, cache_stride) lanes
@group(0) @binding(2) var<storage, read> values: array<Lane>;
// (n, stride) lanes
@group(0) @binding(3) var<storage, read> q: array<Lane>;
// (n, out_stride) lanes
@group(0) @binding(4) var<storage, read_write> out: array<Lane>;

// (lanes): this row's query, scaled
var<workgroup> query: array<Lane, THREADS>;
// (THREADS): a tile's scores, then its weights
var<workgroup> scores: array<f32, THREADS>;
// (teams, lanes): each team's part of the output
var<workgroup> parts: array<Lane, THREADS>;

fn score(position: u32, kv_lane: u32) -> f32 {
    let at = position * params.cache_stride + kv_lane;
    var sum = 0.0;
    for (var i = 0u; i < params.lanes; i++) {
        sum += lane_dot(query[i], keys[at + i]);
    }
    if (params.cap > 0.0) {
        return soft_capped(sum, params.cap);
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let row = group.y;
    let lanes = params.lanes;
    let kv_lane = head / params.group * lanes;
    // causal: this row sees its own position and all before it
    let visible = step_state.position + row + 1u;
    let first = visible - min(visible, params.window);
    // the output is summed by teams of one invocation a lane, each over every teams-th key
    let teams = THREADS / lanes;
    let team = thread / lanes;
    let lane = thread % lanes;

    if (thread < lanes) {
        query[thread] = q[row * params.stride + head * lanes + thread] * params.scale;
    }
    workgroupBarrier();

    var largest = -3.0e38;
    var total = 0.0;
    var sum = Lane();
    for (var start = first; start < visible; start += THREADS) {
        let count = min(THREADS, visible - start);
        if (thread < count) {
            scores[thread] = score(start + thread, kv_lane);
        }
        workgroupBarrier();
        // each invocation folds the whole tile itself: cheaper than a tree of barriers
        var tile_largest = largest;
        for (var i = 0u; i < count; i++) {
            tile_largest = max(tile_largest, scores[i]);
        }
        workgroupBarrier();
        if (thread < count) {
            scores[thread] = exp(scores[thread] - tile_largest);
        }
        workgroupBarrier();
        let shrink = exp(largest - tile_largest);
        largest = tile_largest;
        total *= shrink;
        for (var i = 0u; i < count; i++) {
            total += scores[i];
        }
        sum *= shrink;
        if (team < teams) {
            for (var i = team; i < count; i += teams) {
                sum += scores[i] * values[(start + i) * params.cache_stride + kv_lane + lane];
            }
        }
        workgroupBarrier();
    }

    parts[thread] = sum;
    workgroupBarrier();
    if (thread < lanes) {
        var summed = parts[thread];
        for (var i = 1u; i < teams; i++) {
            summed += parts[i * lanes + thread];
        }
        // total >= 1: the largest score's weight is exp(0)
        out[row * params.out_stride + head * lanes + thread] = summed / total;
    }
}
