// SPLIT invocations share a row's blocks; the first of them adds their sums up.
// (SPLIT, THREADS)
var<workgroup> partials: array<Sums, THREADS * SPLIT>;

fn first_block(split: u32) -> u32 {
    return split;
}

fn reduce(sums: Sums, thread: u32, split: u32) -> Sums {
    partials[split * THREADS + thread] = sums;
    workgroupBarrier();
    var total = sums;
    if (split == 0u) {
        for (var i = 1u; i < SPLIT; i++) {
            total += partials[i * THREADS + thread];
        }
    }
    return total;
}
