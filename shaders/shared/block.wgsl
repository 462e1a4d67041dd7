// 32 consecutive weights of one row, or the activations that meet them, as eight vectors: vector j holds 4j .. 4j + 3.
// Weights are as they are stored, without their scale and minimum.
alias Block = array<vec4<f32>, 8>;

// Rows of a panel: the weights of one panel and one block lie together, row beside row, so that neighbouring
// invocations read neighbouring vectors.
const PANEL_ROWS = 64u;

// Where (panel, block, vector, row) lies in a plane of `vectors` 16-byte vectors a block.
fn plane_index(panel_block: u32, vectors: u32, vector: u32, row: u32) -> u32 {
    return (panel_block * vectors + vector) * PANEL_ROWS + row;
}

// Products of 16 weights, half a block, with their activations.
fn dot_first(w: Block, x: Block) -> f32 {
    return (dot(w[0], x[0]) + dot(w[1], x[1])) + (dot(w[2], x[2]) + dot(w[3], x[3]));
}

fn dot_second(w: Block, x: Block) -> f32 {
    return (dot(w[4], x[4]) + dot(w[5], x[5])) + (dot(w[6], x[6]) + dot(w[7], x[7]));
}

fn sum_first(x: Block) -> f32 {
    return dot((x[0] + x[1]) + (x[2] + x[3]), vec4<f32>(1.0));
}

fn sum_second(x: Block) -> f32 {
    return dot((x[4] + x[5]) + (x[6] + x[7]), vec4<f32>(1.0));
}
