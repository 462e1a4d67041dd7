// W in 8-bit codes: (panels, blocks, 2, 64) vectors of 16 codes in order, in two's complement.
// weight = scale * code + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn codes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let a = weights[plane_index(panel_block, 2u, 0u, row)];
    let b = weights[plane_index(panel_block, 2u, 1u, row)];
    return Block(
        codes(a.x), codes(a.y), codes(a.z), codes(a.w),
        codes(b.x), codes(b.y), codes(b.z), codes(b.w),
    );
}
