// Weights that are stored as they are.
fn load_scale(panel_block: u32, row: u32) -> vec2<f32> {
    return vec2<f32>(1.0, 0.0);
}
