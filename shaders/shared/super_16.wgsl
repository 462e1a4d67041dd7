// A multiple for each half of a block, and one of each half's minimum.
fn load_scale(panel_block: u32, row: u32) -> Scale {
    let d = load_super(panel_block, row);
    let n = load_multiples(panel_block, row);
    if (HAS_MIN) {
        return d.xyxy * vec4<f32>(signed_byte(n, 0u), unsigned_byte(n, 8u), signed_byte(n, 16u), unsigned_byte(n, 24u));
    }
    return vec4<f32>(d.x * signed_byte(n, 0u), 0.0, d.x * signed_byte(n, 8u), 0.0);
}
