// W in 4-bit codes: (panels, blocks, 1, 64) vectors of 32 codes. Word j has codes 4j .. 4j + 3 in the low nibbles of
// its bytes and codes 16 + 4j .. 16 + 4j + 3 in the high ones; SIGNED ones are in two's complement.
// weight = scale * code + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn load_block(panel_block: u32, row: u32) -> Block {
    let q = weights[plane_index(panel_block, 1u, 0u, row)];
    return Block(
        low_nibbles(q.x), low_nibbles(q.y), low_nibbles(q.z), low_nibbles(q.w),
        high_nibbles(q.x), high_nibbles(q.y), high_nibbles(q.z), high_nibbles(q.w),
    );
}
