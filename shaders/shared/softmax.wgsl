// An online softmax (Milakov and Gimelshein 2018) over a layer's keys, a tile of KEYS positions at a time. A workgroup is one or
// more crews of KEYS invocations; each crew takes ROWS rows of queries (`rows_4`), all of one key/value head, past the same keys. The output
// is summed by teams of one invocation a cell of a head, each over every teams-th key. Tiles begin at multiples of KEYS, so that what
// a row sums, and in which order, does not depend on the rows beside it.
const CREWS = THREADS / KEYS;
// Invocations of a crew that fold its scores.
const FOLDS = 8u;

// (CREWS, cells): rows of queries, scaled; in the end each team's part of the output
var<workgroup> query: array<Cells, THREADS>;
// (CREWS, KEYS): scores, then weights
var<workgroup> scores: array<Rows, THREADS>;
// (CREWS, FOLDS)
var<workgroup> folded: array<Rows, CREWS * FOLDS>;

// Less than any score.
const LOWEST = -3.0e38;

struct Softmax {
    // the largest scores so far
    largest: Rows,
    // the sums of weights of this invocation's keys
    total: Rows,
    // this invocation's part of the output
    sum: Cells,
}

// What rows see: so many positions from the first on.
struct Seen {
    first: Places,
    count: Places,
}

fn capped(score: Rows) -> Rows {
    if (params.cap > 0.0) {
        return soft_capped(score, params.cap);
    }
    return score;
}

// The slot of the position that is so many after the one in slot `base`; fewer than there are slots.
fn slot(base: u32, after: u32) -> u32 {
    let at = base + after;
    return select(at, at - params.slots, at >= params.slots);
}

// Of a crew's rows with the key that begins at a cell of the cache.
fn score(key: u32, crew: u32) -> Rows {
    var sum = Rows();
    for (var i = 0u; i < params.cells; i++) {
        sum += dots(query[crew * KEYS + i], key_cell(key, i));
    }
    return capped(sum);
}

// The larger of `before` and a crew's scores.
fn fold_largest(before: Rows, thread: u32) -> Rows {
    let crew = thread / KEYS;
    let lane = thread % KEYS;
    workgroupBarrier();
    if (lane < FOLDS) {
        var largest = scores[crew * KEYS + lane];
        for (var i = lane + FOLDS; i < KEYS; i += FOLDS) {
            largest = max(largest, scores[crew * KEYS + i]);
        }
        folded[crew * FOLDS + lane] = largest;
    }
    workgroupBarrier();
    var largest = before;
    for (var i = 0u; i < FOLDS; i++) {
        largest = max(largest, folded[crew * FOLDS + i]);
    }
    return largest;
}

// Takes in the positions from `first` up to `end`, no more than there are slots, of which each row takes what it sees; the head begins at
// cell `head` of each.
fn with_keys(before: Softmax, first: u32, end: u32, seen: Seen, head: u32, thread: u32) -> Softmax {
    let crew = thread / KEYS;
    let lane = thread % KEYS;
    let teams = KEYS / params.cells;
    let team = lane / params.cells;
    let cell = lane % params.cells;
    let base = first % params.slots;
    var all = before;
    for (var start = first / KEYS * KEYS; start < end; start += KEYS) {
        let position = start + lane;
        var own = Rows(LOWEST);
        if (position >= first && position < end) {
            let all_rows = score(slot(base, position - first) * params.cache_stride + head, crew);
            own = select(own, all_rows, Places(position) - seen.first < seen.count);
        }
        scores[thread] = own;
        let largest = fold_largest(all.largest, thread);
        let shrink = exp(all.largest - largest);
        let weights = select(exp(own - largest), Rows(), own == Rows(LOWEST));
        all.largest = largest;
        all.total = all.total * shrink + weights;
        all.sum = scaled(all.sum, shrink);
        scores[thread] = weights;
        workgroupBarrier();
        if (team < teams) {
            let begin = max(first, start) - start;
            let count = min(KEYS, end - start);
            for (var i = team + (max(begin, team) - team + teams - 1u) / teams * teams; i < count; i += teams) {
                let value = value_cell(slot(base, start + i - first) * params.cache_stride + head, cell);
                all.sum = with_weighted(all.sum, scores[crew * KEYS + i], value);
            }
        }
        workgroupBarrier();
    }
    return all;
}

// What a crew's invocations have together: their weights, and in each of the first the output of its cell.
fn joined(all: Softmax, thread: u32) -> Softmax {
    let crew = thread / KEYS;
    let lane = thread % KEYS;
    // keys have met the queries
    workgroupBarrier();
    query[thread] = all.sum;
    scores[thread] = all.total;
    workgroupBarrier();
    var total = Rows();
    for (var i = 0u; i < KEYS; i++) {
        total += scores[crew * KEYS + i];
    }
    var sum = Cells();
    if (lane < params.cells) {
        sum = query[thread];
        for (var i = 1u; i < KEYS / params.cells; i++) {
            sum += query[thread + i * params.cells];
        }
    }
    return Softmax(all.largest, total, sum);
}

// Writes a row's cell to the head that begins at `at` in `out`. Its largest score's weight is exp(0), so the total is not 0.
fn put_cell(all: Softmax, row: u32, at: u32, cell: u32) {
    let x = cell_of(all.sum, row) / of_row(all.total, row);
    for (var i = 0u; i < min(4u, params.head_dim - 4u * cell); i++) {
        out[at + 4u * cell + i] = x[i];
    }
}
