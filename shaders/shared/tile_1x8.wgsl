// One row, eight tokens: its weights are unpacked once for all of them.
alias Sums = mat2x4<f32>;

fn token_product(w: Block, s: Scale, token: u32, block: u32) -> f32 {
    let x = load_x(token, block);
    return product(w, s, x, total(x));
}

fn four_products(w: Block, s: Scale, first: u32, block: u32) -> vec4<f32> {
    return vec4<f32>(
        token_product(w, s, first, block),
        token_product(w, s, first + 1u, block),
        token_product(w, s, first + 2u, block),
        token_product(w, s, first + 3u, block),
    );
}

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let w = load_block(panel_block, row);
    let s = load_scale(panel_block, row);
    return Sums(four_products(w, s, first, block), four_products(w, s, first + 4u, block));
}

fn store_four(sums: vec4<f32>, first: u32, row: u32) {
    store_one(sums.x, first, row);
    store_one(sums.y, first + 1u, row);
    store_one(sums.z, first + 2u, row);
    store_one(sums.w, first + 3u, row);
}

fn store(sums: Sums, first: u32, row: u32) {
    store_four(sums[0], first, row);
    store_four(sums[1], first + 4u, row);
}
