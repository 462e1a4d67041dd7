// `four` for weights that stay in the bytes of a word.
fn unsigned_bytes(word: u32) -> vec4<u32> {
    return (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
}

fn signed_bytes(word: u32) -> Four {
    return word;
}

// Bytes below 128 less a number of at most 128: with 128 more none borrows from the next, and the sign bit takes that off.
fn bytes_less(word: u32, zero: f32) -> Four {
    return ((word | 0x80808080u) - u32(zero) * 0x01010101u) ^ 0x80808080u;
}

fn from_integers(values: vec4<i32>) -> Four {
    return pack4xI8(values);
}
