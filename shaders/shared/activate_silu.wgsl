fn activate(x: vec4<f32>) -> vec4<f32> {
    // exp(80) is finite: WGSL does not promise what infinity does
    return x / (1.0 + exp(min(-x, vec4<f32>(80.0))));
}
