// Four codes from the low, or the high, halves of a word's bytes, less CENTRE: see `group_32`.
fn nibbles(word: u32, at: vec4<u32>) -> Four {
    if (SIGNED) {
        return Four((vec4<i32>(bitcast<i32>(word)) << (28u - at)) >> vec4<u32>(28u));
    }
    let codes = Four((vec4<u32>(word) >> at) & vec4<u32>(15u));
    if (CENTRE != 0.0) {
        return codes - Four(vec4<f32>(CENTRE));
    }
    return codes;
}

fn low_nibbles(word: u32) -> Four {
    return nibbles(word, vec4<u32>(0u, 8u, 16u, 24u));
}

fn high_nibbles(word: u32) -> Four {
    return nibbles(word, vec4<u32>(4u, 12u, 20u, 28u));
}
