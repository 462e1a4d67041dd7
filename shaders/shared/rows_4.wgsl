// Four rows of queries; see `rows`.
alias Rows = vec4<f32>;
alias Places = vec4<u32>;
const INDICES = Places(0u, 1u, 2u, 3u);
// A cell of each row's head.
alias Cells = mat4x4<f32>;

fn scaled(cells: Cells, by: Rows) -> Cells {
    return Cells(cells[0] * by.x, cells[1] * by.y, cells[2] * by.z, cells[3] * by.w);
}

// In each row, with x times its weight.
fn with_weighted(cells: Cells, weights: Rows, x: vec4<f32>) -> Cells {
    return cells + Cells(weights.x * x, weights.y * x, weights.z * x, weights.w * x);
}
