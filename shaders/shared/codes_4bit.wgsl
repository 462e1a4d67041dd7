// W in 4-bit codes: (panels, blocks, 1, 64) vectors of 32 codes. Word j has codes 4j .. 4j + 3 in the low nibbles of
// its bytes and codes 16 + 4j .. 16 + 4j + 3 in the high ones. weight = scale * (code - ZERO) + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn low_codes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

fn high_codes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(4u, 12u, 20u, 28u)) & vec4<u32>(15u));
}

fn dequantize(codes: vec4<f32>, s: vec2<f32>) -> vec4<f32> {
    return s.x * (codes - ZERO) + s.y;
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let q = weights[plane_index(panel_block, 1u, 0u, row)];
    let s = load_scale(panel_block, row);
    return Block(
        dequantize(low_codes(q.x), s), dequantize(low_codes(q.y), s),
        dequantize(low_codes(q.z), s), dequantize(low_codes(q.w), s),
        dequantize(high_codes(q.x), s), dequantize(high_codes(q.y), s),
        dequantize(high_codes(q.z), s), dequantize(high_codes(q.w), s),
    );
}
