// W in f32: (panels, blocks, 8, 64) vectors of four weights.
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;

fn load_vector(panel_block: u32, vector: u32, row: u32) -> vec4<f32> {
    return weights[plane_index(panel_block, 8u, vector, row)];
}

fn load_block(panel_block: u32, row: u32) -> Block {
    return Block(
        load_vector(panel_block, 0u, row),
        load_vector(panel_block, 1u, row),
        load_vector(panel_block, 2u, row),
        load_vector(panel_block, 3u, row),
        load_vector(panel_block, 4u, row),
        load_vector(panel_block, 5u, row),
        load_vector(panel_block, 6u, row),
        load_vector(panel_block, 7u, row),
    );
}
