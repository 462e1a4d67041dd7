// Cell i of the key and of the value that begin at a cell of the cache.
fn key_cell(head: u32, i: u32) -> vec4<f32> {
    return bitcast<f32>(keys[head + params.cells + i / GROUP]) * codes(keys[head + i]);
}

fn value_cell(head: u32, i: u32) -> vec4<f32> {
    return bitcast<f32>(values[head + params.cells + i / GROUP]) * codes(values[head + i]);
}
