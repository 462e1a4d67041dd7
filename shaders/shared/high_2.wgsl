// (panels, blocks, 64) pairs of words of two bits of 32 codes, arranged as in `low_2`.
@group(0) @binding(6) var<storage, read> high: array<vec2<u32>>;

fn load_high(panel_block: u32, row: u32) -> vec2<u32> {
    return high[panel_block * PANEL_ROWS + row];
}

fn high_word(high: vec2<u32>, j: u32) -> u32 {
    return ((high[j >> 2u] >> (2u * (j & 3u))) & 0x03030303u) << LOW_BITS;
}
