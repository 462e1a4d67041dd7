// W in 8-bit codes: (panels, blocks, 2, 64) vectors of 16 codes in order. weight = scale * (code - ZERO) + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn codes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn dequantize(word: u32, s: vec2<f32>) -> vec4<f32> {
    return s.x * (codes(word) - ZERO) + s.y;
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let a = weights[plane_index(panel_block, 2u, 0u, row)];
    let b = weights[plane_index(panel_block, 2u, 1u, row)];
    let s = load_scale(panel_block, row);
    return Block(
        dequantize(a.x, s), dequantize(a.y, s), dequantize(a.z, s), dequantize(a.w, s),
        dequantize(b.x, s), dequantize(b.y, s), dequantize(b.z, s), dequantize(b.w, s),
    );
}
