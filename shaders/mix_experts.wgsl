// out (n, width) = the sum of x (n, used, width) over slots, each by its weight in routes (n, 2 * used): one invocation a
// (element, row).
struct Params {
    n: u32,
    width: u32,
    used: u32,
    // f32 from one row to the next, of each buffer
    x_stride: u32,
    routes_stride: u32,
    out_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, x_stride) f32
@group(0) @binding(2) var<storage, read> x: array<f32>;
// (n, routes_stride) f32
@group(0) @binding(3) var<storage, read> routes: array<f32>;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn mix_experts(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.n) {
        return;
    }
    let weights = id.y * params.routes_stride + params.used;
    var sum = 0.0;
    for (var slot = 0u; slot < params.used; slot++) {
        sum += routes[weights + slot] * x[id.y * params.x_stride + slot * params.width + id.x];
    }
    out[id.y * params.out_stride + id.x] = sum;
}
