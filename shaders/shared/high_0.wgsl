// No bits above those of the low plane.
fn load_high(panel_block: u32, row: u32) -> u32 {
    return 0u;
}

fn high_word(high: u32, j: u32) -> u32 {
    return 0u;
}
