// 32 consecutive weights of one row as eight vectors: vector j holds 4j .. 4j + 3. Weights are as they are stored, without their
// scale and minimum.
alias Four = vec4<f32>;
alias Block = array<Four, 8>;
// The activations that meet them.
alias Input = Block;

// Products of 16 weights, half a block, with their activations.
fn dot_first(w: Block, x: Input) -> f32 {
    return (dot(w[0], x[0]) + dot(w[1], x[1])) + (dot(w[2], x[2]) + dot(w[3], x[3]));
}

fn dot_second(w: Block, x: Input) -> f32 {
    return (dot(w[4], x[4]) + dot(w[5], x[5])) + (dot(w[6], x[6]) + dot(w[7], x[7]));
}

fn dot_whole(w: Block, x: Input) -> f32 {
    return dot_first(w, x) + dot_second(w, x);
}

fn sum_first(x: Input) -> f32 {
    return dot((x[0] + x[1]) + (x[2] + x[3]), vec4<f32>(1.0));
}

fn sum_second(x: Input) -> f32 {
    return dot((x[4] + x[5]) + (x[6] + x[7]), vec4<f32>(1.0));
}
