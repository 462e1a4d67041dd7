// Codes in planes: `low_word` and `high_word` give four consecutive codes' bits in the bytes of a word, `values` what
// four codes stand for.
fn codes(low: u32, high: u32) -> vec4<f32> {
    return values((vec4<u32>(low | high) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let low = load_low(panel_block, row);
    let high = load_high(panel_block, row);
    return Block(
        codes(low_word(low, 0u), high_word(high, 0u)), codes(low_word(low, 1u), high_word(high, 1u)),
        codes(low_word(low, 2u), high_word(high, 2u)), codes(low_word(low, 3u), high_word(high, 3u)),
        codes(low_word(low, 4u), high_word(high, 4u)), codes(low_word(low, 5u), high_word(high, 5u)),
        codes(low_word(low, 6u), high_word(high, 6u)), codes(low_word(low, 7u), high_word(high, 7u)),
    );
}
