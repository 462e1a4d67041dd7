fn activate(x: vec4<f32>) -> vec4<f32> {
    return select(x * x, vec4<f32>(), x < vec4<f32>());
}
