// (panels, blocks, 64) vectors of the low 4 bits of 32 codes: word j has codes 4j .. 4j + 3 in the low nibbles of its
// bytes and codes 16 + 4j .. 16 + 4j + 3 in the high ones.
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn load_low(panel_block: u32, row: u32) -> vec4<u32> {
    return weights[plane_index(panel_block, 1u, 0u, row)];
}

fn low_word(low: vec4<u32>, j: u32) -> u32 {
    return (low[j & 3u] >> (j & 4u)) & 0x0f0f0f0fu;
}
