// x = cap * tanh(x / cap), over whole padded rows: 0 stays 0.
struct Params {
    // elements
    count: u32,
    cap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (count) f32
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn soft_cap(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if (i < params.count) {
        x[i] = soft_capped(x[i], params.cap);
    }
}
