// `fold`: subgroups, of whatever size, fold what they have, and each invocation what the subgroups have. Scores of invocations behind
// `count` are the lowest, their weights 0.
// (THREADS): weights
var<workgroup> scores: array<f32, THREADS>;
// (subgroups): the largest scores
var<workgroup> tops: array<f32, THREADS>;
// (subgroups): the sums of weights
var<workgroup> totals: array<f32, THREADS>;

fn fold_largest(before: f32, own: f32, count: u32, at: Invocation) -> f32 {
    let part = subgroupMax(own);
    if (at.lane == 0u) {
        tops[at.subgroup] = part;
    }
    workgroupBarrier();
    var largest = before;
    for (var i = 0u; i < at.subgroups; i++) {
        largest = max(largest, tops[i]);
    }
    return largest;
}

fn fold_sum(before: f32, own: f32, count: u32, at: Invocation) -> f32 {
    scores[at.thread] = own;
    let part = subgroupAdd(own);
    if (at.lane == 0u) {
        totals[at.subgroup] = part;
    }
    workgroupBarrier();
    var sum = before;
    for (var i = 0u; i < at.subgroups; i++) {
        sum += totals[i];
    }
    return sum;
}
