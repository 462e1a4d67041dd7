//! Whole models against llama.cpp's numbers and a float64 pass (`tests/goldens/README.md`), natively: the scalar
//! reference and, with the `gpu` feature, WGSL on whatever Vulkan adapter there is.
//!
//! Both compute in f32 on the weights as the file has them, so both are held to the float64 numbers.

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::Backend;
use pagelm::kernels::reference::Reference;
use pollster::block_on;
use serde_json::Value;

const TINY: &[&str] = &[
    "llama-spm-f32-tied",
    "llama-spm-f16-untied",
    "llama-bpe-q4_0-ropefreqs-tied",
    "llama-bpe-q4_k_m-untied",
    "llama-bpe-q4_1-ropelinear",
    "llama-bpe-iqmix",
    "llama-bpe-q5_0-experts",
    "qwen2-q8_0-bias",
    "qwen2-q5_0-yarn-tied",
    "qwen3-q5_k-headdim",
    "qwen3moe-mxfp4",
    "gemma-q5_1",
    "gemma2-q5_1",
    "gemma3-q4_0-window8",
    "phi3-q3_k-spm",
    "phi4mini-q6_k-short",
    "phi4mini-q6_k-long",
    "bitnet-b1.58-tq2_0-scales",
    "bitnet-tq2_0",
    "bitnet-tq1_0",
    "smollm3-iq4_xs",
    "granite-bf16",
    "lfm2-q8_0",
    "olmo2-q2_k",
    "olmo2-iq4_nl-window",
];
/// f32 arithmetic against float64 on a tiny model: llama.cpp's own f32 run differs by up to 5e-5.
const TINY_F32: f64 = 0.001;
/// llama.cpp looks GELU up in a table of halves, which is 0.0092 from its own float64 pass; so are its scores of Gemma. The
/// log-probabilities of the float64 pass have no table, and are held to the same limit as all others.
const GELU_TABLE: f64 = 0.01;
/// The same on the real model, whose 30 layers and 49,152 tokens add up more.
const REAL_F32: f64 = 0.002;
/// Greedy ids are only determined while the best logit leads by more than this.
const CLEAR_GAP: f64 = 0.1;

fn read(path: &str) -> Vec<u8> {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Loads a file in pieces of a size that is not a multiple of anything.
fn load<B: Backend>(backend: B, bytes: &[u8]) -> Engine<B> {
    let mut loader = EngineLoader::new(bytes.len() as u64, LoadOptions { context: None, chat_template: None });
    let mut backend = Some(backend);
    for piece in bytes.chunks(1_000_003) {
        if loader.push(piece).unwrap() {
            block_on(loader.prepare(backend.take().unwrap())).unwrap();
        }
    }
    block_on(loader.finish()).unwrap()
}

fn ids(v: &Value) -> Vec<u32> {
    v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The largest difference; infinite for NaN, different lengths or nothing to compare.
fn worst(have: &[f64], want: &[f64]) -> f64 {
    if have.len() != want.len() || want.is_empty() || have.iter().chain(want).any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    have.iter().zip(want).map(|(h, w)| (h - w).abs()).fold(0.0, f64::max)
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    pagelm::sampling::log_softmax(logits).unwrap()
}

fn greedy<B: Backend>(engine: &mut Engine<B>, prompt: &[u32], count: usize) -> Vec<u32> {
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
fn determined(gaps: &[f64], count: usize) -> usize {
    gaps.iter().take(count).take_while(|gap| **gap >= CLEAR_GAP).count()
}

/// llama.cpp's numbers on float32 weights; float64 ones where it has none.
fn single<'a>(prompt: &'a Value, name: &str) -> &'a Value {
    let f32 = &prompt[format!("{name}_f32")];
    if f32.is_null() { &prompt[format!("{name}_f64")] } else { f32 }
}

/// The worst differences of a tiny model: of log-probabilities after whole prompts, and of scores.
fn differences<B: Backend>(name: &str, engine: &mut Engine<B>) -> (f64, f64) {
    let expected = expected(name);
    let (mut exact, mut scored) = (0.0f64, 0.0f64);
    for prompt in expected["prompts"].as_array().unwrap() {
        let tokens = ids(&prompt["tokens"]);
        let logits = block_on(engine.logits(&tokens)).unwrap();
        exact = exact.max(worst(&log_softmax(&logits), &floats(&prompt["logprobs_f64"])));
        if tokens.len() > 1 {
            let scores: Vec<f64> = block_on(engine.score(&tokens)).unwrap().iter().map(|&s| s.into()).collect();
            scored = scored.max(worst(&scores, &floats(single(prompt, "token_logprobs"))));
        }
    }
    (exact, scored)
}

fn check_greedy<B: Backend>(name: &str, engine: &mut Engine<B>) {
    let expected = expected(name);
    for prompt in expected["prompts"].as_array().unwrap() {
        let tokens = ids(&prompt["tokens"]);
        let (want, gaps) = (ids(single(prompt, "greedy")), floats(single(prompt, "greedy_gap")));
        let sure = determined(&gaps, want.len());
        assert!(sure > 0, "{name}: no id is determined");
        assert_eq!(greedy(engine, &tokens, want.len())[..sure], want[..sure], "{name}, {} tokens", tokens.len());
    }
}

fn check_tiny<B: Backend>(name: &str, backend: B) -> f64 {
    let mut engine = load(backend, &tiny(name));
    let (exact, scored) = differences(name, &mut engine);
    assert!(exact <= TINY_F32, "{name}: worst difference to float64 {exact}");
    let limit = if ["gemma2", "gemma3"].iter().any(|g| name.starts_with(g)) { GELU_TABLE } else { TINY_F32 };
    assert!(scored <= limit, "{name}: worst difference of a score {scored}");
    check_greedy(name, &mut engine);
    exact
}

fn tiny(name: &str) -> Vec<u8> {
    read(&format!("tests/goldens/tiny/{name}/model.gguf"))
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&read(&format!("tests/goldens/tiny/{name}/expected.json"))).unwrap()
}

fn check_real<B: Backend>(backend: B, prompts: usize, tokens: usize, passage: usize) -> f64 {
    let mut engine = load(backend, &model());
    let expected: Value = serde_json::from_slice(&read("tests/goldens/real/smollm2-135m.json")).unwrap();
    let all = expected["prompts"].as_array().unwrap();
    assert!(prompts > 0 && all.len() >= prompts);
    for prompt in &all[..prompts] {
        let start = ids(&prompt["tokens"]);
        let text = prompt["text"].as_str().unwrap();
        assert_eq!(engine.tokenizer().unwrap().encode(text, true, true).unwrap(), start, "{text:?}");
        let want = ids(&prompt["greedy_f32"]);
        let sure = determined(&floats(&prompt["greedy_gap_f32"]), tokens);
        assert_eq!(greedy(&mut engine, &start, tokens)[..sure], want[..sure], "after {text:?}");
    }
    let first = &expected["passages"][0];
    let (tokens, want) = (ids(&first["tokens"]), floats(&first["token_logprobs_f64"]));
    let scores: Vec<f64> = block_on(engine.score(&tokens[..passage])).unwrap().iter().map(|&s| s.into()).collect();
    let most = worst(&scores, &want[..passage - 1]);
    assert!(most <= REAL_F32, "worst difference {most}");
    most
}

/// The default model; `make model` fetches it.
fn model() -> Vec<u8> {
    let path = std::env::var("PAGELM_MODEL")
        .unwrap_or_else(|_| format!("{}/models/SmolLM2-135M-Instruct.Q4_1.gguf", env!("CARGO_MANIFEST_DIR")));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}; run `make model`"))
}

#[test]
fn tiny_models_on_the_reference() {
    for name in TINY {
        println!("reference, {name}: worst difference {:.6}", check_tiny(name, Reference::new()));
    }
}

#[test]
fn the_real_model_on_the_reference() {
    println!("reference, smollm2-135m: worst difference {:.6}", check_real(Reference::new(), 3, 16, 96));
}

#[test]
fn the_comparison_can_fail() {
    assert_eq!(worst(&[], &[]), f64::INFINITY);
    assert_eq!(worst(&[1.0], &[1.0, 2.0]), f64::INFINITY);
    assert_eq!(worst(&[f64::NAN], &[1.0]), f64::INFINITY);
    assert!(worst(&[1.0, 2.0], &[1.0, 2.002]) > TINY_F32);
    assert_eq!(determined(&[0.5, 0.05, 0.5], 3), 1);
}

/// Metadata that is a little off, one key a model: each is a line of the pass that would otherwise go unnoticed.
const FAULTS: &[(&str, &str, f64)] = &[
    ("llama-bpe-q4_0-ropefreqs-tied", "llama.rope.freq_base", 505_000.0),
    ("llama-bpe-q4_1-ropelinear", "llama.rope.scaling.factor", 4.04),
    ("qwen2-q5_0-yarn-tied", "qwen2.rope.scaling.factor", 4.04),
    ("phi4mini-q6_k-short", "phi3.rope.scaling.attn_factor", 1.2),
    ("granite-bf16", "granite.embedding_scale", 4.04),
    ("granite-bf16", "granite.residual_scale", 0.91),
    ("granite-bf16", "granite.attention.scale", 0.21),
    ("granite-bf16", "granite.logit_scale", 0.61),
    ("gemma2-q5_1", "gemma2.attn_logit_softcapping", 0.0),
    ("gemma2-q5_1", "gemma2.final_logit_softcapping", 0.0),
    ("gemma3-q4_0-window8", "gemma3.rope.freq_base", 1_010_000.0),
];
/// The same for integers.
const INTEGER_FAULTS: &[(&str, &str, u32)] = &[
    ("gemma2-q5_1", "gemma2.attention.sliding_window", 17),
    ("gemma3-q4_0-window8", "gemma3.attention.sliding_window", 9),
    ("olmo2-iq4_nl-window", "olmo2.attention.sliding_window", 11),
    // the other factors
    ("phi4mini-q6_k-long", "phi3.rope.scaling.original_context_length", 4096),
    ("qwen3moe-mxfp4", "qwen3moe.expert_used_count", 3),
];

/// The model with four bytes of the value of a key replaced, which must then miss the limit.
fn check_fault(name: &str, key: &str, value: [u8; 4]) {
    let mut bytes = tiny(name);
    let at = bytes.windows(key.len()).position(|w| w == key.as_bytes()).expect(key) + key.len() + 4;
    assert_ne!(bytes[at..at + 4], value, "{key}");
    bytes[at..at + 4].copy_from_slice(&value);
    let (worst, _) = differences(name, &mut load(Reference::new(), &bytes));
    println!("{name}, {key}: {worst:.4}");
    assert!(worst > TINY_F32, "{name}: a wrong {key} is not noticed: {worst}");
}

#[test]
fn wrong_metadata_is_noticed() {
    for &(name, key, value) in FAULTS {
        check_fault(name, key, (value as f32).to_le_bytes());
    }
    for &(name, key, value) in INTEGER_FAULTS {
        check_fault(name, key, value.to_le_bytes());
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use pagelm::kernels::gpu::{Gpu, Options};

    /// A device; without one the test fails unless PAGELM_ALLOW_NO_GPU says that this machine need not have any.
    fn gpu() -> Option<Gpu> {
        match block_on(Gpu::new(Options::default())) {
            Ok(gpu) => Some(gpu),
            Err(e) if std::env::var_os("PAGELM_ALLOW_NO_GPU").is_some() => {
                println!("SKIPPED, PAGELM_ALLOW_NO_GPU is set: {e}");
                None
            }
            Err(e) => panic!("{e}; install a Vulkan driver such as mesa-vulkan-drivers"),
        }
    }

    #[test]
    fn tiny_models_on_wgsl() {
        for name in TINY {
            let Some(gpu) = gpu() else { return };
            println!("wgsl, {name}: worst difference {:.6}", check_tiny(name, gpu));
        }
    }

    #[test]
    fn the_real_model_on_wgsl() {
        let Some(gpu) = gpu() else { return };
        println!("wgsl, smollm2-135m: worst difference {:.6}", check_real(gpu, 2, 12, 64));
    }
}
