// One multiple a block and one of the minimum, as in `super_32`, for both halves; and behind SECOND a multiple for each half, as in
// `super_16` without minima. An item of the multiples has two bytes in either.
fn load_scale(panel_block: u32, row: u32) -> Scale {
    let n = load_multiples(panel_block, row);
    if (panel_block < SECOND) {
        return (load_super(panel_block, row) * vec2<f32>(signed_byte(n, 0u), unsigned_byte(n, 8u))).xyxy;
    }
    // half a word for each eight blocks, behind a word for each eight in front
    let at = ((panel_block - SECOND) >> 3u) * PANEL_ROWS + row;
    let rows = unpack2x16float(supers[(SECOND >> 3u) * PANEL_ROWS + (at >> 1u)]);
    let d = FACTOR * select(rows.x, rows.y, (at & 1u) == 1u);
    return vec4<f32>(d * signed_byte(n, 0u), 0.0, d * signed_byte(n, 8u), 0.0);
}
