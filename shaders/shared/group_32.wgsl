// A block has one scale and, if HAS_MIN, one minimum: weight = scale * code + min.
// (scale, min)
alias Scale = vec2<f32>;
// The sum of a block's activations, which a minimum is multiplied with.
alias Total = f32;

fn total(x: Block) -> Total {
    if (HAS_MIN) {
        return sum_first(x) + sum_second(x);
    }
    return 0.0;
}

fn product(w: Block, s: Scale, x: Block, sum: Total) -> f32 {
    let scaled = s.x * (dot_first(w, x) + dot_second(w, x));
    if (HAS_MIN) {
        return scaled + s.y * sum;
    }
    return scaled;
}

// Vector j of a block, with its scale.
fn weight(w: vec4<f32>, s: Scale, j: u32) -> vec4<f32> {
    return s.x * w + s.y;
}
