// Two rows, four tokens: weights are unpacked once for the tokens, x is read once for both rows.
alias Sums = mat2x4<f32>;

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let w0 = load_block(panel_block, row);
    let w1 = load_block(panel_block, row + THREADS);
    let s0 = load_scale(panel_block, row);
    let s1 = load_scale(panel_block, row + THREADS);
    let x0 = load_x(first, block);
    let x1 = load_x(first + 1u, block);
    let x2 = load_x(first + 2u, block);
    let x3 = load_x(first + 3u, block);
    let sums = vec4<f32>(total(x0), total(x1), total(x2), total(x3));
    return Sums(
        vec4<f32>(
            product(w0, s0, x0, sums.x), product(w0, s0, x1, sums.y),
            product(w0, s0, x2, sums.z), product(w0, s0, x3, sums.w),
        ),
        vec4<f32>(
            product(w1, s1, x0, sums.x), product(w1, s1, x1, sums.y),
            product(w1, s1, x2, sums.z), product(w1, s1, x3, sums.w),
        ),
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
}
