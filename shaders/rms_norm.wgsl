// out row i = x row (first + i) / sqrt(mean(x²) + eps) * weight: one workgroup a row.
struct Params {
    // elements in a row
    width: u32,
    // f32 from one row of x or out to the next
    stride: u32,
    // first row of x
    first: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (width) f32
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// (rows, stride) f32
@group(0) @binding(3) var<storage, read> x: array<f32>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn rms_norm(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let source = (params.first + group.x) * params.stride;
    let target_row = group.x * params.stride;
    var squares = 0.0;
    for (var i = thread; i < params.width; i += THREADS) {
        let v = x[source + i];
        squares += v * v;
    }
    let mean = reduce_sums(vec2<f32>(squares, 0.0), at).x / f32(params.width);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var i = thread; i < params.width; i += THREADS) {
        out[target_row + i] = x[source + i] * scale * weight[i];
    }
}
