//! Loading a model, and comparing its numbers: the same for what must agree and for what must not.

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::{Backend, KvType};
use pollster::block_on;
use serde_json::Value;

/// f32 arithmetic against float64 on a tiny model: llama.cpp's own f32 run differs by up to 5e-5.
pub const TINY_F32: f64 = 0.001;
/// llama.cpp looks GELU up in a table of halves, which is 0.0092 from its own float64 pass; so are its scores of Gemma. The
/// log-probabilities of the float64 pass have no table, and are held to the same limit as all others.
pub const GELU_TABLE: f64 = 0.01;
/// The CPU's quantised products (`fifteenBits` in `tests/browser/paths.mjs`), whose faults are planted here as well.
pub const TINY_QUANTISED: f64 = 0.005;
/// Keys and values in halves, which are off by up to 2^-12 of what they are: well within the class of f16 arithmetic, 0.05. 0.0095 was
/// seen, and 0.033 of a score where a router sends a token to other experts.
pub const HALVES: f64 = 0.02;
pub const HALVES_ROUTED: f64 = 0.05;
/// Beside the reference, which may round a key to the half next to it: 0.0016 was seen.
pub const HALVES_BESIDE: f64 = 0.005;
/// The same with 8 bits: 0.23 was seen, and 0.027 beside the reference.
pub const EIGHT_BITS: f64 = 0.5;
pub const EIGHT_BITS_BESIDE: f64 = 0.1;
/// Prompts multiplied in halves: the class of f16 arithmetic.
pub const NARROW_HALVES: f64 = 0.05;
/// The same in 8 bits (`eightBits` in `tests/browser/paths.mjs`).
pub const NARROW_EIGHT_BITS: f64 = 0.5;
/// Greedy ids are only determined while the best logit leads by more than this.
pub const CLEAR_GAP: f64 = 0.1;

pub fn read(path: &str) -> Vec<u8> {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

pub fn tiny(name: &str) -> Vec<u8> {
    read(&format!("tests/goldens/tiny/{name}/model.gguf"))
}

/// Loads a file, with keys and values as they are computed.
pub fn load<B: Backend>(backend: B, bytes: &[u8]) -> Engine<B> {
    load_with(backend, bytes, Some(KvType::F32))
}

/// The same with keys and values of a type, or of the backend's choice; in pieces of a size that is not a multiple of anything.
pub fn load_with<B: Backend>(backend: B, bytes: &[u8], kv: Option<KvType>) -> Engine<B> {
    let mut loader = EngineLoader::new(bytes.len() as u64, LoadOptions { context: None, kv, chat_template: None });
    let mut backend = Some(backend);
    for piece in bytes.chunks(1_000_003) {
        if loader.push(piece).unwrap() {
            block_on(loader.prepare(backend.take().unwrap())).unwrap();
        }
    }
    block_on(loader.finish()).unwrap()
}

pub fn ids(v: &Value) -> Vec<u32> {
    v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

pub fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The largest difference; infinite for NaN, different lengths or nothing to compare.
pub fn worst(have: &[f64], want: &[f64]) -> f64 {
    if have.len() != want.len() || want.is_empty() || have.iter().chain(want).any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    have.iter().zip(want).map(|(h, w)| (h - w).abs()).fold(0.0, f64::max)
}

pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    pagelm::sampling::log_softmax(logits).unwrap()
}

pub fn scores<B: Backend>(engine: &mut Engine<B>, tokens: &[u32]) -> Vec<f64> {
    block_on(engine.score(tokens)).unwrap().iter().map(|&s| s.into()).collect()
}

pub fn greedy<B: Backend>(engine: &mut Engine<B>, prompt: &[u32], count: usize) -> Vec<u32> {
    let options = GenerateOptions { max_tokens: Some(count), ignore_eos: true, ..Default::default() };
    engine.start(prompt, options).unwrap();
    let mut out = Vec::new();
    loop {
        match block_on(engine.step()).unwrap() {
            Event::Token(token) => out.push(token.id),
            Event::Prefill { .. } => {}
            Event::Finish { .. } => return out,
        }
    }
}

/// How many ids must be equal: those before the first gap that is not clear, within `count`.
pub fn determined(gaps: &[f64], count: usize) -> usize {
    gaps.iter().take(count).take_while(|gap| **gap >= CLEAR_GAP).count()
}

/// llama.cpp's numbers on float32 weights; float64 ones where it has none.
pub fn single<'a>(prompt: &'a Value, name: &str) -> &'a Value {
    let f32 = &prompt[format!("{name}_f32")];
    if f32.is_null() { &prompt[format!("{name}_f64")] } else { f32 }
}

/// The worst difference of some numbers, and how many there were.
#[derive(Clone, Copy, Default)]
pub struct Difference {
    pub worst: f64,
    pub count: usize,
}

impl Difference {
    pub fn add(&mut self, have: &[f64], want: &[f64]) {
        self.worst = self.worst.max(worst(have, want));
        self.count += want.len();
    }
}

/// Of a tiny model: of log-probabilities after whole prompts, and of scores.
pub fn differences<B: Backend>(name: &str, engine: &mut Engine<B>) -> (Difference, Difference) {
    let (mut exact, mut scored) = (Difference::default(), Difference::default());
    for prompt in expected(name)["prompts"].as_array().unwrap() {
        let tokens = ids(&prompt["tokens"]);
        let logits = block_on(engine.logits(&tokens)).unwrap();
        exact.add(&log_softmax(&logits), &floats(&prompt["logprobs_f64"]));
        if tokens.len() > 1 {
            scored.add(&scores(engine, &tokens), &floats(single(prompt, "token_logprobs")));
        }
    }
    (exact, scored)
}

pub fn expected(name: &str) -> Value {
    json(&format!("tests/goldens/tiny/{name}/expected.json"))
}
