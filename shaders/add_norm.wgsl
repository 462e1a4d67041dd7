// x += delta, normed and scaled where that is asked for, then out = x / sqrt(mean(x²) + eps) * weight: the end of one
// sub-block and the beginning of the next. Row first + i of x and delta gives row i of out: one workgroup a row.
struct Params {
    // elements in a row
    width: u32,
    // f32 from one row to the next, in x, delta and out alike
    stride: u32,
    // first row of x and delta
    first: u32,
    eps: f32,
    // multiplies delta
    factor: f32,
    // 1 if delta is divided by its root mean square and multiplied by `post` first
    is_normed: u32,
    // 1 if out is wanted
    has_out: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (width) f32
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// (width) f32
@group(0) @binding(2) var<storage, read> post: array<f32>;
// (rows, stride) f32
@group(0) @binding(3) var<storage, read> delta: array<f32>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
// (rows, stride) f32
@group(0) @binding(8) var<storage, read_write> x: array<f32>;

fn inverse_root(squares: f32, at: Invocation) -> f32 {
    return 1.0 / sqrt(reduce_sums(vec2<f32>(squares, 0.0), at).x / f32(params.width) + params.eps);
}

@compute @workgroup_size(THREADS)
fn add_norm(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let source = (params.first + group.x) * params.stride;
    let target_row = group.x * params.stride;
    var squares = 0.0;
    if (params.is_normed == 1u) {
        for (var i = thread; i < params.width; i += THREADS) {
            let d = delta[source + i];
            squares += d * d;
        }
        let post_scale = inverse_root(squares, at);
        squares = 0.0;
        for (var i = thread; i < params.width; i += THREADS) {
            let v = x[source + i] + delta[source + i] * post_scale * post[i] * params.factor;
            x[source + i] = v;
            squares += v * v;
        }
        // the sums of the first norm have been read before those of the second are written
        workgroupBarrier();
    } else {
        for (var i = thread; i < params.width; i += THREADS) {
            let v = x[source + i] + delta[source + i] * params.factor;
            x[source + i] = v;
            squares += v * v;
        }
    }
    if (params.has_out == 1u) {
        let scale = inverse_root(squares, at);
        for (var i = thread; i < params.width; i += THREADS) {
            out[target_row + i] = x[source + i] * scale * weight[i];
        }
    }
}
