// `block` in integers of 8 bits, four to a word: what `narrow` has made of activations, times codes. Sums are exact.
alias Four = u32;
alias Block = array<Four, 8>;

struct Input {
    // in -127 .. 127
    values: Block,
    // (what they are multiplied with, the sums of the halves of the block, 0)
    scale: vec4<f32>,
}

fn half_first(w: Block, x: Block) -> i32 {
    return (dot4I8Packed(w[0], x[0]) + dot4I8Packed(w[1], x[1])) + (dot4I8Packed(w[2], x[2]) + dot4I8Packed(w[3], x[3]));
}

fn half_second(w: Block, x: Block) -> i32 {
    return (dot4I8Packed(w[4], x[4]) + dot4I8Packed(w[5], x[5])) + (dot4I8Packed(w[6], x[6]) + dot4I8Packed(w[7], x[7]));
}

fn dot_first(w: Block, x: Input) -> f32 {
    return x.scale.x * f32(half_first(w, x.values));
}

fn dot_second(w: Block, x: Input) -> f32 {
    return x.scale.x * f32(half_second(w, x.values));
}

fn dot_whole(w: Block, x: Input) -> f32 {
    return x.scale.x * f32(half_first(w, x.values) + half_second(w, x.values));
}

fn sum_first(x: Input) -> f32 {
    return x.scale.y;
}

fn sum_second(x: Input) -> f32 {
    return x.scale.z;
}
