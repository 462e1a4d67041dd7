// One row; see `rows_4` and `rows`.
alias Rows = f32;
alias Places = u32;
alias Cells = vec4<f32>;

fn dots(cells: Cells, x: vec4<f32>) -> Rows {
    return dot(cells, x);
}

fn scaled(cells: Cells, by: Rows) -> Cells {
    return cells * by;
}

fn with_weighted(cells: Cells, weights: Rows, x: vec4<f32>) -> Cells {
    return cells + weights * x;
}

fn of_row(rows: Rows, row: u32) -> f32 {
    return rows;
}

fn with_row(rows: Rows, row: u32, x: f32) -> Rows {
    return x;
}

fn with_place(places: Places, row: u32, x: u32) -> Places {
    return x;
}

fn cell_of(cells: Cells, row: u32) -> vec4<f32> {
    return cells;
}

fn with_cell(cells: Cells, row: u32, x: vec4<f32>) -> Cells {
    return x;
}
