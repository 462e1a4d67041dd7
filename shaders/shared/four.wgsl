// Four weights from the bytes of a word.
fn unsigned_bytes(word: u32) -> vec4<u32> {
    return (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
}

fn signed_bytes(word: u32) -> Four {
    return Four((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

// Unsigned ones less a number.
fn bytes_less(word: u32, zero: f32) -> Four {
    return Four(unsigned_bytes(word)) - Four(vec4<f32>(zero));
}

fn from_integers(values: vec4<i32>) -> Four {
    return Four(values);
}
