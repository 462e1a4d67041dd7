// Stores x (n, width) in a layer's rows at the step's positions, and out (n, width) = the causal convolution of all rows so
// far with taps (width, count), each channel by itself: one invocation a (channel, row).
struct Params {
    n: u32,
    // channels
    width: u32,
    // f32 from one row to the next, in x, out and the cache alike
    stride: u32,
    // taps a channel
    count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (width, count) f32, the last for the newest row
@group(0) @binding(1) var<storage, read> taps: array<f32>;
// (context, stride) f32: only rows of earlier steps are read, only those of this one written
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
// (n, stride) f32
@group(0) @binding(3) var<storage, read> x: array<f32>;
// (n, stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn short_conv(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    let row = id.y;
    if (channel >= params.width || row >= params.n) {
        return;
    }
    var sum = 0.0;
    for (var back = 0u; back < params.count; back++) {
        let tap = taps[channel * params.count + params.count - 1u - back];
        if (back <= row) {
            sum += tap * x[(row - back) * params.stride + channel];
        } else if (back <= step_state.position + row) {
            sum += tap * rows[(step_state.position + row - back) * params.stride + channel];
        }
    }
    out[row * params.stride + channel] = sum;
    rows[(step_state.position + row) * params.stride + channel] = x[row * params.stride + channel];
}
