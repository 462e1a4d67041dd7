// One row, four tokens: its weights are unpacked once for all of them.
alias Sums = vec4<f32>;

fn token_product(w: Block, s: Scale, token: u32, block: u32) -> f32 {
    let x = load_x(token, block);
    return product(w, s, x, total(x));
}

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let w = load_block(panel_block, row);
    let s = load_scale(panel_block, row);
    return vec4<f32>(
        token_product(w, s, first, block),
        token_product(w, s, first + 1u, block),
        token_product(w, s, first + 2u, block),
        token_product(w, s, first + 3u, block),
    );
}

fn store(sums: Sums, first: u32, row: u32) {
    store_one(sums.x, first, row);
    store_one(sums.y, first + 1u, row);
    store_one(sums.z, first + 2u, row);
    store_one(sums.w, first + 3u, row);
}
