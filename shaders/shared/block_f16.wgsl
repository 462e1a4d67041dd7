// `block` in halves: what `narrow` has made of activations, times codes of at most 8 bits. Half a block is summed in halves (at most
// 16 * 128), the rest in f32.
alias Four = vec4<f16>;
alias Block = array<Four, 8>;

struct Input {
    // in -1 .. 1
    values: Block,
    // (what they are multiplied with, the sums of the halves of the block, 0)
    scale: vec4<f32>,
}

fn half_first(w: Block, x: Block) -> f32 {
    return f32((dot(w[0], x[0]) + dot(w[1], x[1])) + (dot(w[2], x[2]) + dot(w[3], x[3])));
}

fn half_second(w: Block, x: Block) -> f32 {
    return f32((dot(w[4], x[4]) + dot(w[5], x[5])) + (dot(w[6], x[6]) + dot(w[7], x[7])));
}

fn dot_first(w: Block, x: Input) -> f32 {
    return x.scale.x * half_first(w, x.values);
}

fn dot_second(w: Block, x: Input) -> f32 {
    return x.scale.x * half_second(w, x.values);
}

fn dot_whole(w: Block, x: Input) -> f32 {
    return x.scale.x * (half_first(w, x.values) + half_second(w, x.values));
}

fn sum_first(x: Input) -> f32 {
    return x.scale.y;
}

fn sum_second(x: Input) -> f32 {
    return x.scale.z;
}
