// Four rows of queries that meet a key together.
alias Rows = vec4<f32>;
alias Places = vec4<u32>;
// A cell of each row's head.
alias Cells = mat4x4<f32>;

fn dots(cells: Cells, x: vec4<f32>) -> Rows {
    return x * cells;
}

fn scaled(cells: Cells, by: Rows) -> Cells {
    return Cells(cells[0] * by.x, cells[1] * by.y, cells[2] * by.z, cells[3] * by.w);
}

// In each row, with x times its weight.
fn with_weighted(cells: Cells, weights: Rows, x: vec4<f32>) -> Cells {
    return cells + Cells(weights.x * x, weights.y * x, weights.z * x, weights.w * x);
}

fn of_row(rows: Rows, row: u32) -> f32 {
    return rows[row];
}

fn with_row(rows: Rows, row: u32, x: f32) -> Rows {
    return select(rows, Rows(x), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(row));
}

fn with_place(places: Places, row: u32, x: u32) -> Places {
    return select(places, Places(x), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(row));
}

fn cell_of(cells: Cells, row: u32) -> vec4<f32> {
    var all = cells;
    return all[row];
}

fn with_cell(cells: Cells, row: u32, x: vec4<f32>) -> Cells {
    var all = cells;
    all[row] = x;
    return all;
}
