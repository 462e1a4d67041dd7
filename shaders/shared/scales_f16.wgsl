// The scale of each (panel, block, row), and its minimum if HAS_MIN, as exact halves:
// with a minimum (panels, blocks, 64) words (scale low, min high), else (panels, blocks, 32) words of two rows.
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn load_scale(panel_block: u32, row: u32) -> Scale {
    let at = panel_block * PANEL_ROWS + row;
    if (HAS_MIN) {
        return unpack2x16float(scales[at]);
    }
    let rows = unpack2x16float(scales[at >> 1u]);
    return vec2<f32>(select(rows.x, rows.y, (at & 1u) == 1u), 0.0);
}
