// cap * tanh(x / cap). tanh is written out: devices differ in what they do where its exponentials overflow.
fn soft_capped(x: f32, cap: f32) -> f32 {
    // past 40 tanh is 1 in f32; exp(80) is finite
    let twice = 2.0 * clamp(x / cap, -40.0, 40.0);
    return cap * (1.0 - 2.0 / (exp(twice) + 1.0));
}
