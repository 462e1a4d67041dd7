// A block has one scale and, if HAS_MIN, one minimum: weight = scale * code + min.
// Where products are halves, codes with a minimum come less CENTRE, the middle of what they can be: smaller sums round less.
// (scale, min)
alias Scale = vec2<f32>;
// The sum of a block's activations, which a minimum is multiplied with.
alias Total = f32;

fn total(x: Input) -> Total {
    if (HAS_MIN) {
        return sum_first(x) + sum_second(x);
    }
    return 0.0;
}

fn product(w: Block, s: Scale, x: Input, sum: Total) -> f32 {
    let scaled = s.x * dot_whole(w, x);
    if (HAS_MIN) {
        if (CENTRE != 0.0) {
            return scaled + (s.y + s.x * CENTRE) * sum;
        }
        return scaled + s.y * sum;
    }
    return scaled;
}

// Vector j of a block, with its scale.
fn weight(w: vec4<f32>, s: Scale, j: u32) -> vec4<f32> {
    return s.x * w + s.y;
}
