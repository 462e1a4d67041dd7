// W in 4-bit codes: (panels, blocks, 1, 64) vectors of 32 codes. Word j has codes 4j .. 4j + 3 in the low nibbles of
// its bytes and codes 16 + 4j .. 16 + 4j + 3 in the high ones; SIGNED ones are in two's complement.
// weight = scale * code + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

// Four codes, which begin at these bits.
fn codes(word: u32, at: vec4<u32>) -> vec4<f32> {
    if (SIGNED) {
        return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << (28u - at)) >> vec4<u32>(28u));
    }
    return vec4<f32>((vec4<u32>(word) >> at) & vec4<u32>(15u));
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let low = vec4<u32>(0u, 8u, 16u, 24u);
    let high = vec4<u32>(4u, 12u, 20u, 28u);
    let q = weights[plane_index(panel_block, 1u, 0u, row)];
    return Block(
        codes(q.x, low), codes(q.y, low), codes(q.z, low), codes(q.w, low),
        codes(q.x, high), codes(q.y, high), codes(q.z, high), codes(q.w, high),
    );
}
