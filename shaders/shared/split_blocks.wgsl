// SPLIT invocations share a row's blocks; the first of them adds their sums up.
// (SPLIT, ROWS)
var<workgroup> partials: array<Sums, ROWS * SPLIT>;

fn first_block(split: u32) -> u32 {
    return split;
}

fn reduce(sums: Sums, row: u32, split: u32) -> Sums {
    partials[split * ROWS + row] = sums;
    workgroupBarrier();
    var total = sums;
    if (split == 0u) {
        for (var i = 1u; i < SPLIT; i++) {
            total += partials[i * ROWS + row];
        }
    }
    return total;
}
