// The largest and the sum of a tile's scores, of which each invocation brings its own: it reads all of them itself, which is cheaper than
// a tree of barriers.
// (THREADS): scores, then weights
var<workgroup> scores: array<f32, THREADS>;

// The larger of `before` and the largest of the first `count` invocations' scores.
fn fold_largest(before: f32, own: f32, count: u32, at: Invocation) -> f32 {
    scores[at.thread] = own;
    workgroupBarrier();
    var largest = before;
    for (var i = 0u; i < count; i++) {
        largest = max(largest, scores[i]);
    }
    workgroupBarrier();
    return largest;
}

// `before` and the weights of the first `count` invocations, which are in `scores` then.
fn fold_sum(before: f32, own: f32, count: u32, at: Invocation) -> f32 {
    scores[at.thread] = own;
    workgroupBarrier();
    var sum = before;
    for (var i = 0u; i < count; i++) {
        sum += scores[i];
    }
    return sum;
}
