// One multiple a block, and one of the minimum.
fn load_scale(panel_block: u32, row: u32) -> Scale {
    let d = load_super(panel_block, row);
    let n = load_multiples(panel_block, row);
    if (HAS_MIN) {
        return d * vec2<f32>(signed_byte(n, 0u), unsigned_byte(n, 8u));
    }
    return vec2<f32>(d.x * signed_byte(n, 0u), 0.0);
}
