// Codes of 5 bits, as `low_4` and `high_1` have them, and in the panels behind SECOND codes of 8 bits in two's complement,
// as `codes_8bit` has them.
// Blocks of all panels in front of those of the second type.
override SECOND: u32 = 0u;

fn five(low: u32, high: u32) -> vec4<f32> {
    return values((vec4<u32>(low | high) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn eight(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load_block(panel_block: u32, row: u32) -> Block {
    if (panel_block < SECOND) {
        let low = load_low(panel_block, row);
        let high = load_high(panel_block, row);
        return Block(
            five(low_word(low, 0u), high_word(high, 0u)), five(low_word(low, 1u), high_word(high, 1u)),
            five(low_word(low, 2u), high_word(high, 2u)), five(low_word(low, 3u), high_word(high, 3u)),
            five(low_word(low, 4u), high_word(high, 4u)), five(low_word(low, 5u), high_word(high, 5u)),
            five(low_word(low, 6u), high_word(high, 6u)), five(low_word(low, 7u), high_word(high, 7u)),
        );
    }
    // two vectors a block, behind one for each block in front
    let at = plane_index(panel_block, 2u, 0u, row) - SECOND * PANEL_ROWS;
    let a = weights[at];
    let b = weights[at + PANEL_ROWS];
    return Block(
        eight(a.x), eight(a.y), eight(a.z), eight(a.w),
        eight(b.x), eight(b.y), eight(b.z), eight(b.w),
    );
}
