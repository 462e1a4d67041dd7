// What several rows of queries that meet a key together have in common, however many `rows_4` or `rows_2` say they are.
fn dots(cells: Cells, x: vec4<f32>) -> Rows {
    return x * cells;
}

fn of_row(rows: Rows, row: u32) -> f32 {
    return rows[row];
}

fn with_row(rows: Rows, row: u32, x: f32) -> Rows {
    return select(rows, Rows(x), INDICES == Places(row));
}

fn with_place(places: Places, row: u32, x: u32) -> Places {
    return select(places, Places(x), INDICES == Places(row));
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
