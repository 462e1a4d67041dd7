fn head_lane(at: u32, i: u32) -> Lane {
    let first = at + 4u * i;
    return Lane(head_values[first], head_values[first + 1u], head_values[first + 2u], head_values[first + 3u]);
}
