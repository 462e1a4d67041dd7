// The sum of one value an invocation, in a fixed order, over a workgroup of THREADS (a power of two).
// (THREADS)
var<workgroup> sums: array<f32, THREADS>;

fn reduce_sum(value: f32, thread: u32) -> f32 {
    sums[thread] = value;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
    }
    workgroupBarrier();
    return sums[0];
}
