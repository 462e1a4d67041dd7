// An online softmax (Milakov and Gimelshein 2018) over a layer's keys, THREADS at a time, by all invocations of a workgroup. The
// output is summed by teams of one invocation a cell of a head, each over every teams-th key.

// (cells): the row's query, scaled
var<workgroup> query: array<vec4<f32>, THREADS>;
// (teams, cells): each team's part of the output
var<workgroup> parts: array<vec4<f32>, THREADS>;

// Less than any score.
const LOWEST = -3.0e38;

struct Softmax {
    // the largest score so far
    largest: f32,
    // the sum of weights
    total: f32,
    // this invocation's part of the output
    sum: vec4<f32>,
}

fn capped(score: f32) -> f32 {
    if (params.cap > 0.0) {
        return soft_capped(score, params.cap);
    }
    return score;
}

// The slot of the position that is so many after the one in slot `base`; fewer than there are slots.
fn slot(base: u32, after: u32) -> u32 {
    let at = base + after;
    return select(at, at - params.slots, at >= params.slots);
}

// Of the key that begins at a cell of the cache.
fn score(key: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < params.cells; i++) {
        sum += dot(query[i], key_cell(key, i));
    }
    return capped(sum);
}

// Takes in the positions from `first` up to `end`, no more than there are slots; the head begins at cell `head` of each.
fn with_keys(before: Softmax, first: u32, end: u32, head: u32, at: Invocation) -> Softmax {
    let thread = at.thread;
    let teams = THREADS / params.cells;
    let team = thread / params.cells;
    let cell = thread % params.cells;
    let base = first % params.slots;
    var all = before;
    for (var start = first; start < end; start += THREADS) {
        let count = min(THREADS, end - start);
        var own = LOWEST;
        if (thread < count) {
            own = score(slot(base, start + thread - first) * params.cache_stride + head);
        }
        let largest = fold_largest(all.largest, own, count, at);
        let shrink = exp(all.largest - largest);
        all.largest = largest;
        all.total = fold_sum(all.total * shrink, exp(own - largest), count, at);
        all.sum *= shrink;
        if (team < teams) {
            for (var i = team; i < count; i += teams) {
                all.sum += scores[i] * value_cell(slot(base, start + i - first) * params.cache_stride + head, cell);
            }
        }
        workgroupBarrier();
    }
    return all;
}

// Writes what the teams have summed to the elements of `out` from `at` on.
fn put_out(all: Softmax, at: u32, thread: u32) {
    parts[thread] = all.sum;
    workgroupBarrier();
    if (thread < params.cells) {
        var summed = parts[thread];
        for (var i = 1u; i < THREADS / params.cells; i++) {
            summed += parts[i * params.cells + thread];
        }
        // total >= 1: the largest score's weight is exp(0)
        summed /= all.total;
        for (var i = 0u; i < min(4u, params.head_dim - 4u * thread); i++) {
            out[at + 4u * thread + i] = summed[i];
        }
    }
}
