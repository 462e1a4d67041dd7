// W in 16 bits: (panels, blocks, 4, 64) vectors of eight weights, two a word, the first in the low half.
// `widen` makes a word's two weights f32.
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn widen_pair(low: u32, high: u32) -> vec4<f32> {
    return vec4<f32>(widen(low), widen(high));
}

fn load_block(panel_block: u32, row: u32) -> Block {
    let a = weights[plane_index(panel_block, 4u, 0u, row)];
    let b = weights[plane_index(panel_block, 4u, 1u, row)];
    let c = weights[plane_index(panel_block, 4u, 2u, row)];
    let d = weights[plane_index(panel_block, 4u, 3u, row)];
    return Block(
        widen_pair(a.x, a.y), widen_pair(a.z, a.w),
        widen_pair(b.x, b.y), widen_pair(b.z, b.w),
        widen_pair(c.x, c.y), widen_pair(c.z, c.w),
        widen_pair(d.x, d.y), widen_pair(d.z, d.w),
    );
}
