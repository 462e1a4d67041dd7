// x *= factor, over whole padded rows.
struct Params {
    // vectors of four
    count: u32,
    factor: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (count) vectors of four
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if (i < params.count) {
        x[i] *= params.factor;
    }
}
