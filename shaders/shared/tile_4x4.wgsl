// Four rows, four tokens: weights are unpacked once for the tokens, x is read once for the rows.
alias Sums = mat4x4<f32>;

fn row_products(panel_block: u32, row: u32, x0: Input, x1: Input, x2: Input, x3: Input, t: array<Total, 4>) -> vec4<f32> {
    let w = load_block(panel_block, row);
    let s = load_scale(panel_block, row);
    return vec4<f32>(
        product(w, s, x0, t[0]), product(w, s, x1, t[1]),
        product(w, s, x2, t[2]), product(w, s, x3, t[3]),
    );
}

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let x0 = load_x(first, block);
    let x1 = load_x(first + 1u, block);
    let x2 = load_x(first + 2u, block);
    let x3 = load_x(first + 3u, block);
    let t = array<Total, 4>(total(x0), total(x1), total(x2), total(x3));
    return Sums(
        row_products(panel_block, row, x0, x1, x2, x3, t),
        row_products(panel_block, row + THREADS, x0, x1, x2, x3, t),
        row_products(panel_block, row + 2u * THREADS, x0, x1, x2, x3, t),
        row_products(panel_block, row + 3u * THREADS, x0, x1, x2, x3, t),
    );
}

fn store_row(sums: vec4<f32>, first: u32, row: u32) {
    store_one(sums.x, first, row);
    store_one(sums.y, first + 1u, row);
    store_one(sums.z, first + 2u, row);
    store_one(sums.w, first + 3u, row);
}

fn store(sums: Sums, first: u32, row: u32) {
    store_row(sums[0], first, row);
    store_row(sums[1], first, row + THREADS);
    store_row(sums[2], first, row + 2u * THREADS);
    store_row(sums[3], first, row + 3u * THREADS);
}
