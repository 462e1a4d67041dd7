// The scale of each (panel, block, row) as the upper half of a single: (panels, blocks, 32) words of two rows.
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn load_scale(panel_block: u32, row: u32) -> Scale {
    let at = panel_block * PANEL_ROWS + row;
    let word = scales[at >> 1u];
    return vec2<f32>(bitcast<f32>(select(word << 16u, word & 0xffff0000u, (at & 1u) == 1u)), 0.0);
}
