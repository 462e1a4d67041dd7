// x (n, width) *= factor; what a row is padded with stays.
struct Params {
    n: u32,
    // elements in a row
    width: u32,
    // f32 from one row of x to the next
    stride: u32,
    factor: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.width && id.y < params.n) {
        x[id.y * params.stride + id.x] *= params.factor;
    }
}
