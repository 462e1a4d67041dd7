// W in 8-bit codes: (panels, blocks, 2, 64) vectors of 16 codes in order, in two's complement.
// weight = scale * code + min
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn load_block(panel_block: u32, row: u32) -> Block {
    let a = weights[plane_index(panel_block, 2u, 0u, row)];
    let b = weights[plane_index(panel_block, 2u, 1u, row)];
    return Block(
        signed_bytes(a.x), signed_bytes(a.y), signed_bytes(a.z), signed_bytes(a.w),
        signed_bytes(b.x), signed_bytes(b.y), signed_bytes(b.z), signed_bytes(b.w),
    );
}
