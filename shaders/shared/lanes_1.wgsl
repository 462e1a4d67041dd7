// Heads in single elements, for a head_dim that is not a multiple of four.
alias Lane = f32;

fn lane_dot(a: Lane, b: Lane) -> f32 {
    return a * b;
}
