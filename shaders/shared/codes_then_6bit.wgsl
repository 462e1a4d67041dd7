// Codes of 4 bits, or of 5 if HIGH is 1, and in the panels behind SECOND codes of 6 bits; the low 4 as in `low_4`.
// Blocks of all panels in front of those of the second type: a multiple of 8.
override SECOND: u32 = 0u;
// What is taken off a code of the second type.
override SECOND_ZERO: f32 = 0.0;

// HIGH words a block as `high_1` has them, and behind SECOND two, as in `high_2`.
@group(0) @binding(6) var<storage, read> high: array<u32>;

fn load_high(panel_block: u32, row: u32) -> vec2<u32> {
    if (panel_block < SECOND) {
        if (HIGH == 1u) {
            return vec2<u32>(high[panel_block * PANEL_ROWS + row], 0u);
        }
        return vec2<u32>();
    }
    let at = HIGH * SECOND * PANEL_ROWS + 2u * ((panel_block - SECOND) * PANEL_ROWS + row);
    return vec2<u32>(high[at], high[at + 1u]);
}

// Vector j, whose bits above the fourth begin at bit `shift` of each byte of a word.
fn codes(low: vec4<u32>, high: u32, shift: u32, mask: u32, j: u32, zero: f32) -> Four {
    return bytes_less(low_word(low, j) | (((high >> shift) & mask) << 4u), zero);
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let low = load_low(panel_block, row);
    let bits = load_high(panel_block, row);
    if (panel_block < SECOND) {
        let one = 0x01010101u;
        return Block(
            codes(low, bits.x, 0u, one, 0u, CENTRE), codes(low, bits.x, 1u, one, 1u, CENTRE),
            codes(low, bits.x, 2u, one, 2u, CENTRE), codes(low, bits.x, 3u, one, 3u, CENTRE),
            codes(low, bits.x, 4u, one, 4u, CENTRE), codes(low, bits.x, 5u, one, 5u, CENTRE),
            codes(low, bits.x, 6u, one, 6u, CENTRE), codes(low, bits.x, 7u, one, 7u, CENTRE),
        );
    }
    let two = 0x03030303u;
    return Block(
        codes(low, bits.x, 0u, two, 0u, SECOND_ZERO + CENTRE), codes(low, bits.x, 2u, two, 1u, SECOND_ZERO + CENTRE),
        codes(low, bits.x, 4u, two, 2u, SECOND_ZERO + CENTRE), codes(low, bits.x, 6u, two, 3u, SECOND_ZERO + CENTRE),
        codes(low, bits.y, 0u, two, 4u, SECOND_ZERO + CENTRE), codes(low, bits.y, 2u, two, 5u, SECOND_ZERO + CENTRE),
        codes(low, bits.y, 4u, two, 6u, SECOND_ZERO + CENTRE), codes(low, bits.y, 6u, two, 7u, SECOND_ZERO + CENTRE),
    );
}
