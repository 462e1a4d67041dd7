// x / (1 + exp(-2 y)) is x / 2 * (1 + tanh(y)), y = sqrt(2 / pi) * (x + 0.044715 x³), whatever the device's tanh is worth.
fn activate(x: vec4<f32>) -> vec4<f32> {
    let twice = 1.5957691 * (x + 0.044715 * (x * x * x));
    // exp(80) is finite: WGSL does not promise what infinity does
    return x / (1.0 + exp(min(-twice, vec4<f32>(80.0))));
}
