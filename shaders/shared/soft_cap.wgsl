// cap * tanh(x / cap) of rows. tanh is written out: devices differ in what they do where its exponentials overflow.
fn soft_capped(x: Rows, cap: f32) -> Rows {
    // past 40 tanh is 1 in f32; exp(80) is finite
    let twice = 2.0 * clamp(x / cap, Rows(-40.0), Rows(40.0));
    return cap * (1.0 - 2.0 / (exp(twice) + 1.0));
}
