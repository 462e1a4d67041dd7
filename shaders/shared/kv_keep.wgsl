// Cell i of the head in workgroup memory, which is also stored if `stores`; the head begins at a cell of the cache.
fn keep_cell(head: u32, i: u32, stores: bool) -> Kept {
    let key = packed(head_cell(KEY, i));
    let value = packed(head_cell(VALUE, i));
    if (stores) {
        keys[head + i] = key;
        values[head + i] = value;
    }
    return Kept(unpacked(key), unpacked(value));
}
