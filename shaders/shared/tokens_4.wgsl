// Four tokens an invocation: a block is dequantised once for all of them.
alias Sums = vec4<f32>;

fn products(w: Block, first: u32, block: u32) -> Sums {
    return vec4<f32>(
        dot_block(w, first, block),
        dot_block(w, first + 1u, block),
        dot_block(w, first + 2u, block),
        dot_block(w, first + 3u, block),
    );
}

fn store(sums: Sums, first: u32, row: u32) {
    store_one(sums.x, first, row);
    store_one(sums.y, first + 1u, row);
    store_one(sums.z, first + 2u, row);
    store_one(sums.w, first + 3u, row);
}
