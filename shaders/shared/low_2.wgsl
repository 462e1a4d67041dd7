// (panels, blocks, 64) pairs of words of the low 2 bits of 32 codes: vector j of a block is in word j / 4, in bits
// 2 * (j % 4) of each byte and the one above.
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

fn load_low(panel_block: u32, row: u32) -> vec2<u32> {
    return weights[panel_block * PANEL_ROWS + row];
}

fn low_word(low: vec2<u32>, j: u32) -> u32 {
    return (low[j >> 2u] >> (2u * (j & 3u))) & 0x03030303u;
}
