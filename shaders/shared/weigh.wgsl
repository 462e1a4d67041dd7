// What logits weigh in a draw. A key is a logit's bits as an integer of the same order: see `rank`.

// How a token is drawn: the random number of this pass, and what is the same for a whole generation.
struct Sampling {
    // in [0, 1); written for each pass
    unit: f32,
    inverse_temperature: f32,
    // negative: a difference to the largest logit below which nothing is drawn
    lowest: f32,
    // most likely tokens that are kept; 0 for all
    top_k: u32,
    // share of the probability that is kept; 1 for all
    top_p: f32,
    // negative: tokens further below the largest logit are not kept
    min_p: f32,
    // divides positive logits of tokens in the window and multiplies others
    repetition: f32,
    // subtracted from the logit of a token in the window
    presence: f32,
    // the same for each time that it is there
    frequency: f32,
    // tokens in the window: the last of all before the one to choose; at most 65535
    window: u32,
    // tokens whose logits get something added
    biases: u32,
    // whether only the tokens of a mask may be drawn
    constrained: u32,
}
@group(0) @binding(6) var<uniform> sampling: Sampling;

// finite logits are from here to there; NaN and infinity are above, negative infinity is below
const LEAST_KEY = 0x00800001u;
const LARGEST_KEY = 0xff7fffffu;

fn key_of(bits: u32) -> u32 {
    let r = rank(bits);
    return select(r, 0xffffffffu, r == 0u);
}

// The logit of a key, or the finite one next to it.
fn logit_of(key: u32) -> f32 {
    let k = clamp(key, LEAST_KEY, LARGEST_KEY);
    return bitcast<f32>(select(0x80000000u | (0x80000000u - k), k - 0x80000000u, k >= 0x80000000u));
}

// exp(logit - top), then the same with the temperature.
fn weigh(key: u32, top: f32) -> vec2<f32> {
    let d = logit_of(key) - top;
    let weights = exp(vec2<f32>(max(d, -100.0), max(d, sampling.lowest) * sampling.inverse_temperature));
    return select(weights, vec2<f32>(), key < LEAST_KEY);
}
