// x = x / sqrt(mean(x²) + eps) * weight for each head of x (n, heads * length), in place: one workgroup a (head, row).
struct Params {
    // elements a head
    length: u32,
    // f32 from one row of x to the next
    stride: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (length) f32
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(THREADS)
fn norm_heads(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let head = group.y * params.stride + group.x * params.length;
    var squares = 0.0;
    for (var i = thread; i < params.length; i += THREADS) {
        let v = x[head + i];
        squares += v * v;
    }
    let mean = reduce_sums(vec2<f32>(squares, 0.0), at).x / f32(params.length);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var i = thread; i < params.length; i += THREADS) {
        x[head + i] *= scale * weight[i];
    }
}
