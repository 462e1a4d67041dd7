// Codes in planes: `low_word` and `high_word` give four consecutive codes' bits in the bytes of a word, `values` what
// four codes stand for.
fn load_block(panel_block: u32, row: u32) -> Block {
    let low = load_low(panel_block, row);
    let high = load_high(panel_block, row);
    return Block(
        values(low_word(low, 0u) | high_word(high, 0u)), values(low_word(low, 1u) | high_word(high, 1u)),
        values(low_word(low, 2u) | high_word(high, 2u)), values(low_word(low, 3u) | high_word(high, 3u)),
        values(low_word(low, 4u) | high_word(high, 4u)), values(low_word(low, 5u) | high_word(high, 5u)),
        values(low_word(low, 6u) | high_word(high, 6u)), values(low_word(low, 7u) | high_word(high, 7u)),
    );
}
