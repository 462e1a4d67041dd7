// `rows_4` for two rows.
alias Rows = vec2<f32>;
alias Places = vec2<u32>;
alias Cells = mat2x4<f32>;

fn dots(cells: Cells, x: vec4<f32>) -> Rows {
    return x * cells;
}

fn scaled(cells: Cells, by: Rows) -> Cells {
    return Cells(cells[0] * by.x, cells[1] * by.y);
}

fn with_weighted(cells: Cells, weights: Rows, x: vec4<f32>) -> Cells {
    return cells + Cells(weights.x * x, weights.y * x);
}

fn of_row(rows: Rows, row: u32) -> f32 {
    return rows[row];
}

fn with_row(rows: Rows, row: u32, x: f32) -> Rows {
    return select(rows, Rows(x), vec2<u32>(0u, 1u) == vec2<u32>(row));
}

fn with_place(places: Places, row: u32, x: u32) -> Places {
    return select(places, Places(x), vec2<u32>(0u, 1u) == vec2<u32>(row));
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
