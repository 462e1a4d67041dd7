fn head_lane(at: u32, i: u32) -> Lane {
    return head_values[at + i];
}
