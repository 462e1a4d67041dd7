// Activations in halves, by the largest of their block: `input_f16` reads them.
const LARGEST = 1.0;
// (n, blocks, 8) vectors of four
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f16>>;

// Keeps four numbers, and gives them as they are kept.
fn put(at: u32, v: vec4<f32>) -> vec4<f32> {
    let halves = vec4<f16>(v);
    out[at] = halves;
    return vec4<f32>(halves);
}
