// Adds biases to row 0 of x, takes penalties off and forbids what is not in the mask, in place; then, for `sample`, the keys of each block of the vocabulary,
// the largest first, and for each of them the sums of what it and those before it weigh: one workgroup a block.
struct Params {
    // elements: the vocabulary
    width: u32,
    // rows in this step
    n: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (sampling.biases): an id, each once, and the bits of what is added to its logit
@group(0) @binding(1) var<storage, read> biases: array<vec2<u32>>;
// (context + 1): the token at each position
@group(0) @binding(2) var<storage, read> history: array<u32>;
// (blocks, BLOCK)
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
// (blocks, BLOCK): sums of exp(logit - the block's largest), and the same with the temperature
@group(0) @binding(4) var<storage, read_write> masses: array<vec2<f32>>;
// (width / 32, rounded up): a bit for each token that may be drawn
@group(0) @binding(7) var<storage, read> allowed: array<u32>;
// (width): bits of f32
@group(0) @binding(8) var<storage, read_write> x: array<u32>;

// the largest f32
const LARGEST = 3.4028234663852886e38;
const INFINITY = 0x7f800000u;

// (BLOCK): the bits of logits, then keys
var<workgroup> block: array<u32, BLOCK>;
// (BLOCK): how often each token is in the window, two counts a word
var<workgroup> counts: array<atomic<u32>, BLOCK / 2u>;

fn is_finite(bits: u32) -> bool {
    return (bits & 0x7fffffffu) < INFINITY;
}

fn biased(bits: u32, bias: u32) -> u32 {
    if (!is_finite(bits)) {
        return bits;
    }
    if (!is_finite(bias)) {
        return bias; // a token that is banned
    }
    return bitcast<u32>(clamp(bitcast<f32>(bits) + bitcast<f32>(bias), -LARGEST, LARGEST));
}

fn penalised(bits: u32, count: u32) -> u32 {
    if (count == 0u || !is_finite(bits)) {
        return bits;
    }
    let logit = bitcast<f32>(bits);
    let scaled = clamp(select(logit / sampling.repetition, logit * sampling.repetition, logit <= 0.0), -LARGEST, LARGEST);
    let flat = clamp(f32(count) * sampling.frequency + sampling.presence, -LARGEST, LARGEST);
    return bitcast<u32>(clamp(scaled - flat, -LARGEST, LARGEST));
}

fn permitted(bits: u32, id: u32) -> u32 {
    let is_allowed = sampling.constrained == 0u || ((allowed[id / 32u] >> (id % 32u)) & 1u) == 1u;
    return select(0x80000000u | INFINITY, bits, is_allowed || !is_finite(bits));
}

@compute @workgroup_size(THREADS)
fn sample_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = group.x * BLOCK;
    let size = min(BLOCK, params.width - first);
    for (var i = thread; i < size; i += THREADS) {
        block[i] = x[first + i];
    }
    workgroupBarrier();
    for (var i = thread; i < sampling.biases; i += THREADS) {
        let at = biases[i].x - first; // of an id below this block it is large
        if (at < size) {
            block[at] = biased(block[at], biases[i].y);
        }
    }
    let end = step_state.position + params.n;
    for (var i = thread; i < min(sampling.window, end); i += THREADS) {
        let at = history[end - 1u - i] - first;
        if (at < size) {
            atomicAdd(&counts[at / 2u], 1u << (16u * (at % 2u)));
        }
    }
    workgroupBarrier();
    for (var i = thread; i < size; i += THREADS) {
        let count = (atomicLoad(&counts[i / 2u]) >> (16u * (i % 2u))) & 0xffffu;
        let bits = permitted(penalised(block[i], count), first + i);
        x[first + i] = bits;
        block[i] = key_of(bits);
    }
    // a bitonic sort; what is past the vocabulary has the key 0 and stays at the end
    for (var span = 2u; span <= BLOCK; span *= 2u) {
        for (var reach = span / 2u; reach > 0u; reach /= 2u) {
            workgroupBarrier();
            for (var pair = thread; pair < BLOCK / 2u; pair += THREADS) {
                let i = 2u * pair - (pair & (reach - 1u));
                let a = block[i];
                let b = block[i + reach];
                if ((a < b) == ((i & span) == 0u)) {
                    block[i] = b;
                    block[i + reach] = a;
                }
            }
        }
    }
    workgroupBarrier();
    let each = BLOCK / THREADS;
    let top = logit_of(block[0]);
    var own = vec2<f32>();
    for (var i = thread * each; i < (thread + 1u) * each; i++) {
        own += weigh(block[i], top);
    }
    var sums = vec2<f32>(sum_before(own.x, thread), sum_before(own.y, thread));
    for (var i = thread * each; i < (thread + 1u) * each; i++) {
        sums += weigh(block[i], top);
        keys[first + i] = block[i];
        masses[first + i] = sums;
    }
}
