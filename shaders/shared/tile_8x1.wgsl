// Eight rows, one token: x is read once for all of them.
alias Sums = mat2x4<f32>;

fn row_product(panel_block: u32, row: u32, x: Input, sum: Total) -> f32 {
    return product(load_block(panel_block, row), load_scale(panel_block, row), x, sum);
}

fn four_rows(panel_block: u32, row: u32, x: Input, sum: Total) -> vec4<f32> {
    return vec4<f32>(
        row_product(panel_block, row, x, sum),
        row_product(panel_block, row + THREADS, x, sum),
        row_product(panel_block, row + 2u * THREADS, x, sum),
        row_product(panel_block, row + 3u * THREADS, x, sum),
    );
}

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let x = load_x(first, block);
    let sum = total(x);
    return Sums(four_rows(panel_block, row, x, sum), four_rows(panel_block, row + 4u * THREADS, x, sum));
}

fn store_four(sums: vec4<f32>, first: u32, row: u32) {
    store_one(sums.x, first, row);
    store_one(sums.y, first, row + THREADS);
    store_one(sums.z, first, row + 2u * THREADS);
    store_one(sums.w, first, row + 3u * THREADS);
}

fn store(sums: Sums, first: u32, row: u32) {
    store_four(sums[0], first, row);
    store_four(sums[1], first, row + 4u * THREADS);
}
