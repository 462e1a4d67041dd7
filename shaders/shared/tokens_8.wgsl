// Eight tokens an invocation: a block is dequantised once for all of them.
alias Sums = mat2x4<f32>;

fn four_products(w: Block, first: u32, block: u32) -> vec4<f32> {
    return vec4<f32>(
        dot_block(w, first, block),
        dot_block(w, first + 1u, block),
        dot_block(w, first + 2u, block),
        dot_block(w, first + 3u, block),
    );
}

fn products(w: Block, first: u32, block: u32) -> Sums {
    return Sums(four_products(w, first, block), four_products(w, first + 4u, block));
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
