// What a gate goes through; every one of 0 is 0. The numbers are those of `activation_number` in the host.
override ACTIVATION: u32 = 0u;

fn activate(x: vec4<f32>) -> vec4<f32> {
    if (ACTIVATION == 0u) {
        return x;
    }
    if (ACTIVATION == 3u) {
        return select(x * x, vec4<f32>(), x < vec4<f32>());
    }
    // silu: x / (1 + exp(-x)). gelu: x / (1 + exp(-2 y)) is x / 2 * (1 + tanh(y)), y = sqrt(2 / pi) * (x + 0.044715 x³),
    // whatever the device's tanh is worth
    var y = x;
    if (ACTIVATION == 2u) {
        y = 1.5957691 * (x + 0.044715 * (x * x * x));
    }
    // exp(80) is finite: WGSL does not promise what infinity does
    return x / (1.0 + exp(min(-y, vec4<f32>(80.0))));
}
