// The sums of two values an invocation, in a fixed order, over a workgroup of THREADS (a power of two).
// (THREADS)
var<workgroup> sums: array<vec2<f32>, THREADS>;

fn reduce_sums(values: vec2<f32>, at: Invocation) -> vec2<f32> {
    sums[at.thread] = values;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (at.thread < half) {
            sums[at.thread] += sums[at.thread + half];
        }
    }
    workgroupBarrier();
    return sums[0];
}
