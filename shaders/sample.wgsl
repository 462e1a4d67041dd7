// best = (index, logit bits) of a token that is drawn from row 0 of x by `sampling.unit`: one workgroup, whose invocations have a
// block of the vocabulary each, as `sample_blocks` left it. The index is also the next pass's token, as that of `argmax` is.
//
// The tokens that are kept are those with the largest logits, the lowest index on a tie. How many of them there are, and which
// is drawn, is found by bisecting the keys: a key stands for all tokens whose key is at least as large, and how much they weigh
// together is one sum over the blocks. So nothing limits how many are kept. With neither `top_k` nor `top_p` tokens are walked
// by index instead of by logit, as `Sampler` does: the same random number gives the same token.
struct Params {
    // elements: the vocabulary
    width: u32,
    // rows in this step
    n: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (blocks, BLOCK): see `sample_blocks`
@group(0) @binding(1) var<storage, read> keys: array<u32>;
// (blocks, BLOCK)
@group(0) @binding(2) var<storage, read> masses: array<vec2<f32>>;
// (width): bits of f32
@group(0) @binding(3) var<storage, read> x: array<u32>;
// index, then the bits of the logit
@group(0) @binding(4) var<storage, read_write> best: array<u32, 2>;
// as in `shared/step.wgsl`: position, then tokens
@group(0) @binding(5) var<storage, read_write> step_state: array<u32, 2>;
// (context + 1): the token at each position
@group(0) @binding(7) var<storage, read_write> history: array<u32>;

// What is summed up: tokens, their probabilities, and these with the temperature; the last two relative to the largest.
const NUMBER = 0u;
const PROBABILITY = 1u;
const WEIGHT = 2u;

var<workgroup> highest: atomic<u32>;
// Of two choices of an invocation: THREADS less the first that there is, and 1 more than the last.
var<workgroup> chosen: array<atomic<u32>, 4>;
// What is left of the sum at the invocation that was chosen.
var<workgroup> left: f32;

// The largest logit.
var<private> top: f32;
// Of this invocation's block: tokens, and what its sums are multiplied with.
var<private> size: u32;
var<private> scale: vec2<f32>;

// How many of the block's keys are at least `key`; it is known to be `low` to `high`.
fn count(key: u32, low: u32, high: u32, thread: u32) -> u32 {
    var found = low;
    var end = high;
    while (found < end) {
        let middle = (found + end) / 2u;
        if (keys[thread * BLOCK + middle] >= key) {
            found = middle + 1u;
        } else {
            end = middle;
        }
    }
    return found;
}

// Of the block's first keys.
fn own_mass(what: u32, number: u32, thread: u32) -> f32 {
    if (number == 0u || what == NUMBER) {
        return f32(number);
    }
    let sums = masses[thread * BLOCK + number - 1u] * scale;
    return select(sums.x, sums.y, what == WEIGHT);
}

// Of all tokens whose key is at least `key`.
fn mass(what: u32, key: u32, thread: u32) -> f32 {
    return sum_of_all(own_mass(what, count(key, 0u, size, thread), thread), thread);
}

// The largest key from `low` on whose mass reaches `wanted`. That of `low` does.
fn search(what: u32, wanted: f32, low: u32, thread: u32) -> u32 {
    var key = low;
    var above = max(min(atomicLoad(&highest), LARGEST_KEY), low) + 1u;
    // counts of the block at both
    var most = size;
    var least = 0u;
    for (var i = 0u; i < 32u; i++) {
        let middle = key + (above - key) / 2u;
        let number = count(middle, least, most, thread);
        if (sum_of_all(own_mass(what, number, thread), thread) >= wanted) {
            key = middle;
            most = number;
        } else {
            above = middle;
            least = number;
        }
    }
    return key;
}

fn weight_of(what: u32, key: u32) -> f32 {
    let weights = weigh(key, top);
    return select(weights.x, weights.y, what == WEIGHT);
}

// What is kept: all tokens above a key, and the first few of those that have it.
struct Kept {
    key: u32,
    ties: f32,
}

fn kept_mass(what: u32, kept: Kept, thread: u32) -> f32 {
    return mass(what, kept.key + 1u, thread) + kept.ties * weight_of(what, kept.key);
}

// The lowest key that has a token which is kept, or one below which nothing is.
fn lowest_of(kept: Kept) -> u32 {
    return select(kept.key, kept.key + 1u, kept.ties == 0.0);
}

// How many of the tokens with a key are kept.
fn ties_of(kept: Kept, key: u32, thread: u32) -> f32 {
    let all = mass(NUMBER, key, thread) - mass(NUMBER, key + 1u, thread);
    return select(all, kept.ties, key == kept.key && kept.ties > 0.0);
}

// The first invocation whose value lifts the sum above `wanted`, or else the last that has one.
fn choose(which: u32, value: f32, wanted: f32, thread: u32) -> u32 {
    let before = sum_before(value, thread);
    if (value > 0.0) {
        if (before + value > wanted) {
            atomicMax(&chosen[2u * which], THREADS - thread);
        }
        atomicMax(&chosen[2u * which + 1u], thread + 1u);
    }
    workgroupBarrier();
    let first = atomicLoad(&chosen[2u * which]);
    let last = atomicLoad(&chosen[2u * which + 1u]);
    let one = select(max(last, 1u) - 1u, THREADS - first, first > 0u);
    if (thread == one) {
        left = max(wanted - before, 0.0);
    }
    workgroupBarrier();
    return one;
}

@compute @workgroup_size(THREADS)
fn sample(@builtin(local_invocation_index) thread: u32) {
    if (thread * BLOCK < params.width) {
        size = min(BLOCK, params.width - thread * BLOCK);
        atomicMax(&highest, keys[thread * BLOCK]);
    }
    workgroupBarrier();
    top = logit_of(atomicLoad(&highest));
    if (size > 0u) {
        scale = weigh(clamp(keys[thread * BLOCK], LEAST_KEY, LARGEST_KEY), top);
    }
    // tokens that are likely enough have a key of at least this
    let likely = max(key_of(bitcast<u32>(top + sampling.min_p)), LEAST_KEY - 1u);
    // what is walked over, by index: the tokens whose keys are in a range, until the sum of this exceeds `wanted`
    var range = vec2<u32>(likely, 0xffffffffu);
    var what = WEIGHT;
    var wanted = sampling.unit * mass(WEIGHT, likely, thread);
    if (sampling.top_k > 0u || sampling.top_p < 1.0) {
        var kept = Kept(LEAST_KEY - 2u, 0.0);
        if (sampling.top_k > 0u) {
            let key = search(NUMBER, f32(sampling.top_k), lowest_of(kept), thread);
            kept = Kept(key, f32(sampling.top_k) - mass(NUMBER, key + 1u, thread));
        }
        if (sampling.top_p < 1.0) {
            let share = sampling.top_p * kept_mass(PROBABILITY, kept, thread);
            let key = search(PROBABILITY, share, lowest_of(kept), thread);
            let missing = share - mass(PROBABILITY, key + 1u, thread);
            let ties = max(ceil(missing / max(weight_of(PROBABILITY, key), 1e-37)), 1.0);
            kept = Kept(key, min(ties, ties_of(kept, key, thread)));
        }
        if (likely > kept.key) {
            kept = Kept(likely - 1u, 0.0);
        }
        let total = kept_mass(WEIGHT, kept, thread);
        let drawn = sampling.unit * total;
        // the next larger number: the sum has to exceed it
        let beyond = min(bitcast<f32>(bitcast<u32>(drawn) + 1u), total);
        let key = search(WEIGHT, beyond, lowest_of(kept), thread);
        let rest = drawn - mass(WEIGHT, key + 1u, thread);
        let ties = floor(max(rest, 0.0) / max(weight_of(WEIGHT, key), 1e-37));
        range = vec2<u32>(key, key);
        what = NUMBER;
        wanted = min(ties, ties_of(kept, key, thread) - 1.0);
    }
    // NaN or infinity: the first of them is what the host hears of
    if (atomicLoad(&highest) > LARGEST_KEY) {
        range = vec2<u32>(LARGEST_KEY + 1u, 0xffffffffu);
        what = NUMBER;
        wanted = 0.0;
    }
    let number = count(range.x, 0u, size, thread);
    var before = 0u;
    if (range.y < 0xffffffffu) {
        before = count(range.y + 1u, 0u, size, thread);
    }
    let of_block = own_mass(what, number, thread) - own_mass(what, before, thread);
    let first = choose(0u, of_block, wanted, thread) * BLOCK;
    // in that block each invocation has a few tokens
    let begin = first + thread * (BLOCK / THREADS);
    let end = min(begin + BLOCK / THREADS, params.width);
    var of_tokens = 0.0;
    for (var i = begin; i < end; i++) {
        of_tokens += value_of(what, key_of(x[i]), range);
    }
    if (choose(1u, of_tokens, left, thread) != thread) {
        return;
    }
    var index = min(begin, params.width - 1u);
    var rest = left;
    for (var i = begin; i < end; i++) {
        let value = value_of(what, key_of(x[i]), range);
        if (value > 0.0) {
            index = i;
            rest -= value;
            if (rest < 0.0) {
                break;
            }
        }
    }
    best[0] = index;
    best[1] = x[index];
    step_state[1] = index;
    history[step_state[0] + params.n] = index;
}

// What a token with this key is walked over with.
fn value_of(what: u32, key: u32, range: vec2<u32>) -> f32 {
    if (key < range.x || key > range.y) {
        return 0.0;
    }
    return select(weight_of(WEIGHT, key), 1.0, what == NUMBER);
}
