// Heads in vectors of four elements.
alias Lane = vec4<f32>;

fn lane_dot(a: Lane, b: Lane) -> f32 {
    return dot(a, b);
}
