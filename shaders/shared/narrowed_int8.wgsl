// Activations in 8 bits, by the largest of their block: `input_int8` reads them.
const LARGEST = 127.0;
// (n, blocks, 8) words of four
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

// Keeps four numbers, and gives them as they are kept.
fn put(at: u32, v: vec4<f32>) -> vec4<f32> {
    let rounded = round(v);
    out[at] = pack4xI8(vec4<i32>(rounded));
    return rounded;
}
