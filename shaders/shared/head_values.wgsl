// A query head of a row, and the key and the value of its group, in workgroup memory.
const MAX_HEAD = 256u;
const KEY = MAX_HEAD;
const VALUE = 2u * MAX_HEAD;

// query, key and value: each of head_dim elements, and zeros, which nothing writes to
var<workgroup> head_values: array<f32, 3u * MAX_HEAD>;

// Elements 4i to 4i + 3 of the one that begins at `at`.
fn head_cell(at: u32, i: u32) -> vec4<f32> {
    let first = at + 4u * i;
    return vec4<f32>(head_values[first], head_values[first + 1u], head_values[first + 2u], head_values[first + 3u]);
}

// A cell of a key and of its value, as the cache gives them back.
struct Kept {
    key: vec4<f32>,
    value: vec4<f32>,
}
