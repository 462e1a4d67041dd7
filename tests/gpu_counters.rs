//! What a token and a block of a prompt ask of the GPU, counted for every architecture: there is no GPU to time here.
//!
//! `cargo test --test gpu_counters -- --nocapture` prints the table that `tests/bench/RESULTS.md` keeps; the real models are
//! in it where `make model` has put them.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use std::fs::read;

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::gpu::{Counters, Gpu, Options};
use pagelm::sampling::SamplingOptions;
use pollster::block_on;

const PROMPT: usize = 40;

/// Dispatches a layer that a token may take, besides six. Eight where values differ in type from queries and keys, or the output
/// is in several chunks.
const PER_TOKEN: &[(&str, u64)] = &[
    ("gemma-q5_1", 7),
    ("gemma2-q5_1", 7),
    ("llama-bpe-q4_0-ropefreqs-tied", 7),
    ("llama-spm-f16-untied", 7),
    ("phi3-q3_k-spm", 7),
    ("phi4mini-q6_k-long", 7),
    ("qwen3-q5_k-headdim", 7),
    ("smollm3-iq4_xs", 7),
    ("SmolLM2-135M Q4_1", 7),
    ("gemma3-q4_0-window8", 8),
    ("llama-bpe-q4_k_m-untied", 8),
    ("Gemma 3 270M Q4_K_M", 8),
];

fn gpu() -> Option<Gpu> {
    // as on a device that is fast enough for passes in one submit, and whatever else this machine does: no time passes, and no more
    // than the first two passes are ahead
    let options = Options { submit_ms: f64::INFINITY, clock: || 0.0, max_ahead: 2, ..Options::default() };
    Some(Gpu::on(device::device(options)?).unwrap())
}

fn load(gpu: Gpu, bytes: &[u8]) -> Engine<Gpu> {
    let mut loader =
        EngineLoader::new(bytes.len() as u64, LoadOptions { context: None, kv: None, chat_template: None });
    let mut gpu = Some(gpu);
    for piece in bytes.chunks(1 << 20) {
        if loader.push(piece).unwrap() {
            block_on(loader.prepare(gpu.take().unwrap())).unwrap();
        }
    }
    block_on(loader.finish()).unwrap()
}

/// A prompt's block with its first token, and a later token.
fn count(engine: &mut Engine<Gpu>, sampling: SamplingOptions) -> (Counters, Counters) {
    let prompt: Vec<u32> = (10..10 + PROMPT as u32).collect();
    let options = GenerateOptions { max_tokens: Some(4), ignore_eos: true, sampling, ..Default::default() };
    engine.start(&prompt, options).unwrap();
    let mut steps = Vec::new();
    while let Event::Token(_) = block_on(engine.step()).unwrap() {
        steps.push(engine.backend().step_counters());
    }
    assert_eq!(steps.len(), 4);
    (steps[0], steps[3])
}

fn show(name: &str, layers: usize, engine: &Engine<Gpu>, (block, token): (Counters, Counters)) {
    let (gpu, each) = (engine.backend(), |c: Counters| c.dispatches as f64 / layers as f64);
    println!(
        "| {name} | {layers} | {} ({:.1}) | {} ({:.1}) | {} | {} | {} | {:.1} | {} | {:.1} |",
        token.dispatches,
        each(token),
        block.dispatches,
        each(block),
        token.submits,
        token.bytes_written,
        token.bytes_read,
        token.weight_bytes as f64 / 1e6,
        gpu.device().pipelines(),
        gpu.device().buffer_bytes() as f64 / 1e6,
    );
}

/// Counts a model, if its file is there.
fn check(name: &str, path: &str) -> bool {
    let (Ok(bytes), Some(gpu)) = (read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))), gpu()) else { return false };
    let mut engine = load(gpu, &bytes);
    let layers = engine.layers();
    let counted = count(&mut engine, SamplingOptions::default());
    show(name, layers, &engine, counted);
    let (block, token) = counted;
    // a draw is one dispatch more, and its number
    let sampling = SamplingOptions {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.95,
        presence_penalty: 0.5,
        logit_bias: vec![(3, 1.0)],
        ..Default::default()
    };
    let (sampled_block, sampled) = count(&mut engine, sampling);
    assert_eq!(sampled.dispatches, token.dispatches + 1, "{name}");
    assert_eq!(sampled.bytes_written, token.bytes_written + 4, "{name}");
    // eight for each token that is read, of which a step may find several
    for read in [sampled.bytes_read, token.bytes_read] {
        assert!(read > 0 && read.is_multiple_of(8), "{name}: {read} bytes read");
    }
    for step in [block, token, sampled_block, sampled] {
        assert_eq!((step.passes, step.submits), (1, 1), "{name}");
        assert!(step.bytes_read <= 64, "{name}: {} bytes read", step.bytes_read);
    }
    assert!(token.bytes_written <= 64, "{name}: {} bytes written", token.bytes_written);
    let most = PER_TOKEN.iter().find(|of| of.0 == name).map(|of| of.1 * layers as u64 + 6);
    assert!(most.is_none_or(|most| token.dispatches <= most), "{name}: {} of {most:?} dispatches", token.dispatches);
    true
}

#[test]
fn every_architecture() {
    println!(
        "model | layers | dispatches a token (a layer) | a block | submits | written | read | MB of weights | pipelines | MB of buffers"
    );
    let tiny = std::fs::read_dir(format!("{}/tests/goldens/tiny", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut names: Vec<_> = tiny.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "index.json");
    names.sort();
    if gpu().is_none() {
        return;
    }
    for name in &names {
        assert!(check(name, &format!("tests/goldens/tiny/{name}/model.gguf")), "{name}");
    }
    assert!(names.len() >= 24);
    let known = |name: &str| names.iter().any(|n| n == name) || name.contains(' ');
    assert!(PER_TOKEN.iter().all(|of| known(of.0)), "a limit of no model");
    check("SmolLM2-135M Q4_1", "models/SmolLM2-135M-Instruct.Q4_1.gguf");
    check("Gemma 3 270M Q4_K_M", "models/gemma-3-270m.Q4_K_M.gguf");
}
