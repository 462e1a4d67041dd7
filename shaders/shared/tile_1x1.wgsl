// One row, one token.
alias Sums = f32;

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let x = load_x(first, block);
    return product(load_block(panel_block, row), load_scale(panel_block, row), x, total(x));
}

fn store(sums: Sums, first: u32, row: u32) {
    store_one(sums, first, row);
}
