// Two rows of queries; see `rows_4`.
alias Rows = vec2<f32>;
alias Places = vec2<u32>;
const INDICES = Places(0u, 1u);
alias Cells = mat2x4<f32>;

fn scaled(cells: Cells, by: Rows) -> Cells {
    return Cells(cells[0] * by.x, cells[1] * by.y);
}

fn with_weighted(cells: Cells, weights: Rows, x: vec4<f32>) -> Cells {
    return cells + Cells(weights.x * x, weights.y * x);
}
