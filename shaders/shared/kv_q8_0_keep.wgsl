// A cell, quantised as `quantize_eight` in `kernels/kv_type.rs` does it.
struct Eight {
    word: u32,
    scale: f32,
}

// The largest magnitude in the group of cell i of what begins at `at` in workgroup memory; as integers NaN is above all.
fn largest(at: u32, i: u32) -> f32 {
    let first = i / GROUP * GROUP;
    var most = vec4<u32>();
    for (var j = first; j < min(first + GROUP, params.cells); j++) {
        most = max(most, bitcast<vec4<u32>>(head_cell(at, j)) & vec4<u32>(0x7fffffffu));
    }
    return bitcast<f32>(max(max(most.x, most.y), max(most.z, most.w)));
}

fn eight(at: u32, i: u32) -> Eight {
    let most = largest(at, i);
    // its scale could not be inverted
    if (most < 1e-30) {
        return Eight();
    }
    let q = vec4<u32>(vec4<i32>(round(head_cell(at, i) * (127.0 / most)))) & vec4<u32>(0xffu);
    return Eight(q.x | (q.y << 8u) | (q.z << 16u) | (q.w << 24u), most / 127.0);
}

// Cell i of the head in workgroup memory, which is also stored if `stores`; the head begins at a cell of the cache.
fn keep_cell(head: u32, i: u32, stores: bool) -> Kept {
    let key = eight(KEY, i);
    let value = eight(VALUE, i);
    if (stores) {
        keys[head + i] = key.word;
        values[head + i] = value.word;
        if (i % GROUP == 0u) {
            keys[head + params.cells + i / GROUP] = bitcast<u32>(key.scale);
            values[head + params.cells + i / GROUP] = bitcast<u32>(value.scale);
        }
    }
    return Kept(key.scale * codes(key.word), value.scale * codes(value.word));
}
