// Four codes from the low, or the high, halves of a word's bytes.
fn low_nibbles(word: u32) -> Four {
    let codes = word & 0x0f0f0f0fu;
    if (SIGNED) {
        return bytes_less(codes ^ 0x08080808u, 8.0);
    }
    return codes;
}

fn high_nibbles(word: u32) -> Four {
    return low_nibbles(word >> 4u);
}
