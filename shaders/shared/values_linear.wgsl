// A code, a byte of a word, stands for itself less a zero point, and less CENTRE: see `group_32`.
override ZERO: f32 = 0.0;

fn values(codes: u32) -> Four {
    return bytes_less(codes, ZERO + CENTRE);
}
