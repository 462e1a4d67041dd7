// (panels, blocks, 64) words of one bit of 32 codes: vector j of a block is in bit j of each byte.
@group(0) @binding(6) var<storage, read> high: array<u32>;

fn load_high(panel_block: u32, row: u32) -> u32 {
    return high[panel_block * PANEL_ROWS + row];
}

fn high_word(high: u32, j: u32) -> u32 {
    return ((high >> j) & 0x01010101u) << LOW_BITS;
}
