// One token an invocation.
alias Sums = f32;

fn products(w: Block, first: u32, block: u32) -> Sums {
    return dot_block(w, first, block);
}

fn store(sums: Sums, first: u32, row: u32) {
    store_one(sums, first, row);
}
