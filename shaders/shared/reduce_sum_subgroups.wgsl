// `reduce_sum`: subgroups, of whatever size, add up what they have, and each invocation what the subgroups have.
// (subgroups)
var<workgroup> sums: array<vec2<f32>, THREADS>;

fn reduce_sums(values: vec2<f32>, at: Invocation) -> vec2<f32> {
    let part = subgroupAdd(values);
    if (at.lane == 0u) {
        sums[at.subgroup] = part;
    }
    workgroupBarrier();
    var sum = vec2<f32>();
    for (var i = 0u; i < at.subgroups; i++) {
        sum += sums[i];
    }
    return sum;
}
