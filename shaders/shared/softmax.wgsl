// An online softmax (Milakov and Gimelshein 2018) over a layer's keys, THREADS at a time, by all invocations of a workgroup. The
// output is summed by teams of one invocation a lane, each over every teams-th key.

// (lanes): the row's query, scaled
var<workgroup> query: array<Lane, THREADS>;
// (THREADS): a tile's scores, then its weights
var<workgroup> scores: array<f32, THREADS>;
// (teams, lanes): each team's part of the output
var<workgroup> parts: array<Lane, THREADS>;

struct Softmax {
    // the largest score so far
    largest: f32,
    // the sum of weights
    total: f32,
    // this invocation's part of the output
    sum: Lane,
}

fn capped(score: f32) -> f32 {
    if (params.cap > 0.0) {
        return soft_capped(score, params.cap);
    }
    return score;
}

fn score(position: u32, kv_lane: u32) -> f32 {
    let at = position * params.cache_stride + kv_lane;
    var sum = 0.0;
    for (var i = 0u; i < params.lanes; i++) {
        sum += lane_dot(query[i], keys[at + i]);
    }
    return capped(sum);
}

// Takes in the positions from `first` up to `end`.
fn with_keys(before: Softmax, first: u32, end: u32, kv_lane: u32, thread: u32) -> Softmax {
    let teams = THREADS / params.lanes;
    let team = thread / params.lanes;
    let lane = thread % params.lanes;
    var all = before;
    for (var start = first; start < end; start += THREADS) {
        let count = min(THREADS, end - start);
        if (thread < count) {
            scores[thread] = score(start + thread, kv_lane);
        }
        workgroupBarrier();
        // each invocation folds the whole tile itself: cheaper than a tree of barriers
        var largest = all.largest;
        for (var i = 0u; i < count; i++) {
            largest = max(largest, scores[i]);
        }
        workgroupBarrier();
        if (thread < count) {
            scores[thread] = exp(scores[thread] - largest);
        }
        workgroupBarrier();
        let shrink = exp(all.largest - largest);
        all.largest = largest;
        all.total *= shrink;
        for (var i = 0u; i < count; i++) {
            all.total += scores[i];
        }
        all.sum *= shrink;
        if (team < teams) {
            for (var i = team; i < count; i += teams) {
                all.sum += scores[i] * values[(start + i) * params.cache_stride + kv_lane + lane];
            }
        }
        workgroupBarrier();
    }
    return all;
}

// Writes what the teams have summed to the lanes of `out` from `at` on.
fn put_out(all: Softmax, at: u32, thread: u32) {
    parts[thread] = all.sum;
    workgroupBarrier();
    if (thread < params.lanes) {
        var summed = parts[thread];
        for (var i = 1u; i < THREADS / params.lanes; i++) {
            summed += parts[i * params.lanes + thread];
        }
        // total >= 1: the largest score's weight is exp(0)
        out[at + thread] = summed / all.total;
    }
}
