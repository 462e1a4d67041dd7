// The scales of both halves of each (panel, block, row), as exact halves: (panels, blocks, 64) words, the first low.
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn load_scale(panel_block: u32, row: u32) -> Scale {
    let halves = unpack2x16float(scales[panel_block * PANEL_ROWS + row]);
    return vec4<f32>(halves.x, 0.0, halves.y, 0.0);
}
