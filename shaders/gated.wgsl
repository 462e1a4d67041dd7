// gate = activation(gate) * up, over whole padded rows: every activation of 0 is 0, which keeps the padding zero.
struct Params {
    // vectors of four
    count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (count) vectors of four
@group(0) @binding(3) var<storage, read> up: array<vec4<f32>>;
// (count) vectors of four
@group(0) @binding(4) var<storage, read_write> gate: array<vec4<f32>>;

@compute @workgroup_size(64)
fn gated(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if (i < params.count) {
        gate[i] = activate(gate[i]) * up[i];
    }
}
