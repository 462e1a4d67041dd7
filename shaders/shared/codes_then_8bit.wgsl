// Codes of 5 bits, as `low_4` and `high_1` have them, and in the panels behind SECOND codes of 8 bits in two's complement,
// as `codes_8bit` has them.
// Blocks of all panels in front of those of the second type.
override SECOND: u32 = 0u;

fn load_block(panel_block: u32, row: u32) -> Block {
    if (panel_block < SECOND) {
        let low = load_low(panel_block, row);
        let high = load_high(panel_block, row);
        return Block(
            values(low_word(low, 0u) | high_word(high, 0u)), values(low_word(low, 1u) | high_word(high, 1u)),
            values(low_word(low, 2u) | high_word(high, 2u)), values(low_word(low, 3u) | high_word(high, 3u)),
            values(low_word(low, 4u) | high_word(high, 4u)), values(low_word(low, 5u) | high_word(high, 5u)),
            values(low_word(low, 6u) | high_word(high, 6u)), values(low_word(low, 7u) | high_word(high, 7u)),
        );
    }
    // two vectors a block, behind one for each block in front
    let at = plane_index(panel_block, 2u, 0u, row) - SECOND * PANEL_ROWS;
    let a = weights[at];
    let b = weights[at + PANEL_ROWS];
    return Block(
        signed_bytes(a.x), signed_bytes(a.y), signed_bytes(a.z), signed_bytes(a.w),
        signed_bytes(b.x), signed_bytes(b.y), signed_bytes(b.z), signed_bytes(b.w),
    );
}
