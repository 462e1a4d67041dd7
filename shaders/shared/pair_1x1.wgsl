// One row of a gate and the same of what it gates, one token.
alias Sums = vec2<f32>;

fn products(panel_block: u32, row: u32, first: u32, block: u32) -> Sums {
    let x = load_x(first, block);
    let sum = total(x);
    let up = panel_block + params.up_panel * params.blocks;
    return Sums(
        product(load_block(panel_block, row), load_scale(panel_block, row), x, sum),
        product(load_block(up, row), load_scale(up, row), x, sum),
    );
}

fn store(sums: Sums, first: u32, row: u32) {
    store_one(activate(vec4<f32>(sums.x)).x * sums.y, first, row);
}
