// The halves of a block have a scale and, if HAS_MIN, a minimum each: weight = scale * code + min.
// (scale, min) of the first half, then of the second
alias Scale = vec4<f32>;
// The sums of the halves' activations, which minima are multiplied with.
alias Total = vec2<f32>;

fn total(x: Input) -> Total {
    if (HAS_MIN) {
        return vec2<f32>(sum_first(x), sum_second(x));
    }
    return vec2<f32>();
}

fn product(w: Block, s: Scale, x: Input, sum: Total) -> f32 {
    let scaled = s.x * dot_first(w, x) + s.z * dot_second(w, x);
    if (HAS_MIN) {
        if (CENTRE != 0.0) {
            return scaled + (s.y + s.x * CENTRE) * sum.x + (s.w + s.z * CENTRE) * sum.y;
        }
        return scaled + s.y * sum.x + s.w * sum.y;
    }
    return scaled;
}

// Vector j of a block, with its scale.
fn weight(w: vec4<f32>, s: Scale, j: u32) -> vec4<f32> {
    let half = select(s.xy, s.zw, j >= 4u);
    return half.x * w + half.y;
}
