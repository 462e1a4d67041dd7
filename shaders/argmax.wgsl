// best = (index, value bits) of the largest element of row 0 of x, the lowest index on a tie: one workgroup.
// NaN is never the largest; if there is nothing else, it is the value. The index is also the next pass's token, in case that is
// handed over before the host knows it.
struct Params {
    // elements
    width: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (width) f32
@group(0) @binding(3) var<storage, read> x: array<f32>;
// index, then the bits of the value
@group(0) @binding(4) var<storage, read_write> best: array<u32, 2>;
// as in `shared/step.wgsl`: position, then tokens
@group(0) @binding(5) var<storage, read_write> step_state: array<u32, 2>;

// (THREADS)
var<workgroup> indices: array<u32, THREADS>;
// (THREADS): bits that order as the values do
var<workgroup> ranks: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn argmax(@builtin(local_invocation_index) thread: u32) {
    var index = min(thread, params.width - 1u);
    var highest = rank(bitcast<u32>(x[index]));
    for (var i = thread + THREADS; i < params.width; i += THREADS) {
        let r = rank(bitcast<u32>(x[i]));
        if (r > highest) {
            highest = r;
            index = i;
        }
    }
    indices[thread] = index;
    ranks[thread] = highest;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            let r = ranks[thread + half];
            let i = indices[thread + half];
            if (r > ranks[thread] || (r == ranks[thread] && i < indices[thread])) {
                ranks[thread] = r;
                indices[thread] = i;
            }
        }
    }
    if (thread == 0u) {
        best[0] = indices[0];
        best[1] = bitcast<u32>(x[indices[0]]);
        step_state[1] = indices[0];
    }
}
