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
/// Pipelines that a model may need from its self-test to its last token, whatever it is asked for.
const MOST_PIPELINES: usize = 25;
/// A file of ten types of weights, which nobody publishes, needs pipelines for each of them.
const MOST_TYPES: (&str, usize) = ("llama-bpe-iqmix", 29);

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

/// As a page loads it: the device is tested first.
fn load(gpu: Gpu, bytes: &[u8]) -> Engine<Gpu> {
    let mut loader =
        EngineLoader::new(bytes.len() as u64, LoadOptions { context: None, kv: None, chat_template: None });
    let mut gpu = Some(gpu);
    for piece in bytes.chunks(1 << 20) {
        if loader.push(piece).unwrap() {
            let gpu = gpu.take().unwrap();
            block_on(loader.self_test(&mut Gpu::on(gpu.device().clone()).unwrap())).unwrap();
            block_on(loader.prepare(gpu)).unwrap();
        }
    }
    block_on(loader.finish()).unwrap()
}

/// All of `sampling`'s options that the device draws with.
fn every_option() -> SamplingOptions {
    SamplingOptions {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.01,
        repetition_penalty: 1.1,
        presence_penalty: 0.5,
        frequency_penalty: 0.5,
        seed: 1,
        logit_bias: vec![(3, 1.0)],
        ..Default::default()
    }
}

/// Everything that pipelines are compiled for: blocks of these sizes and all rests, tokens that are the likeliest, drawn in each
/// way, or read back, logits and scores; and then once more. How many there are at the end.
fn pipelines_of_a_life(engine: &mut Engine<Gpu>, blocks: &[usize]) -> usize {
    let draws = SamplingOptions { temperature: 1.0, seed: 1, ..Default::default() };
    let logprobs = SamplingOptions { top_logprobs: Some(2), ..draws.clone() };
    let mut counts = Vec::new();
    for life in 0..2u32 {
        for (first, &rows) in blocks.iter().enumerate() {
            // each begins with another token, so that nothing is kept of the one before
            let prompt: Vec<u32> = (0..rows as u32).map(|i| 10 + 20 * life + first as u32 + i).collect();
            for sampling in [SamplingOptions::default(), draws.clone(), every_option(), logprobs.clone()] {
                let options = GenerateOptions { max_tokens: Some(2), ignore_eos: true, sampling, ..Default::default() };
                engine.start(&prompt, options).unwrap();
                while !matches!(block_on(engine.step()).unwrap(), Event::Finish { .. }) {}
            }
        }
        block_on(engine.logits(&[5, 6, 7])).unwrap();
        block_on(engine.score(&[8, 6, 7])).unwrap();
        counts.push(engine.backend().device().pipelines());
    }
    assert_eq!(counts[0], counts[1], "a second life compiles nothing");
    counts[1]
}

/// A model that is missing is a failure: nothing would be counted.
fn file(path: &str) -> Vec<u8> {
    read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|e| panic!("{path}: {e}; run 'make model'"))
}

/// Counts them on software and as on hardware, whose products are divided in two ways.
fn check_pipelines(name: &str, path: &str, blocks: &[usize]) -> [usize; 2] {
    let bytes = file(path);
    let mut counts = [0; 2];
    for (count, is_hardware) in counts.iter_mut().zip([false, true]) {
        let gpu = gpu().unwrap();
        if is_hardware {
            gpu.device().split_below(4096);
        }
        *count = pipelines_of_a_life(&mut load(gpu, &bytes), blocks);
        // hardware has been measured with both ways to divide products, of which the model may use one
        *count += usize::from(is_hardware);
        let most = if name == MOST_TYPES.0 { MOST_TYPES.1 } else { MOST_PIPELINES };
        assert!(*count <= most, "{name}: {count} pipelines, hardware: {is_hardware}");
    }
    println!("{name}: {} pipelines on software, {} on hardware", counts[0], counts[1]);
    counts
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

/// Counts a model.
fn check(name: &str, path: &str) {
    let mut engine = load(gpu().unwrap(), &file(path));
    let layers = engine.layers();
    let counted = count(&mut engine, SamplingOptions::default());
    show(name, layers, &engine, counted);
    let (block, token) = counted;
    // a draw is one dispatch more, and its number
    let (sampled_block, sampled) = count(&mut engine, every_option());
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
}

fn tiny_models() -> Vec<String> {
    let tiny = std::fs::read_dir(format!("{}/tests/goldens/tiny", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut names: Vec<_> = tiny.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "index.json");
    names.sort();
    names
}

#[test]
fn no_model_needs_many_pipelines() {
    if gpu().is_none() {
        return;
    }
    let names = tiny_models();
    assert!(names.len() >= 24);
    let mut fewest = usize::MAX;
    for name in &names {
        let counts = check_pipelines(name, &format!("tests/goldens/tiny/{name}/model.gguf"), &[1, 3, 8, 9, 64]);
        fewest = fewest.min(counts.into_iter().min().unwrap());
    }
    // an embedding, a norm, products of one row and of several, attention, a gate, a sum, two ways to choose
    assert!(fewest >= 9, "only {fewest} were counted");
    check_pipelines("SmolLM2-135M Q4_1", "models/SmolLM2-135M-Instruct.Q4_1.gguf", &[1, 3, 12]);
    check_pipelines("Gemma 3 270M Q4_K_M", "models/gemma-3-270m.Q4_K_M.gguf", &[1, 3, 12]);
}

#[test]
fn every_architecture() {
    println!(
        "model | layers | dispatches a token (a layer) | a block | submits | written | read | MB of weights | pipelines | MB of buffers"
    );
    let names = tiny_models();
    if gpu().is_none() {
        return;
    }
    for name in &names {
        check(name, &format!("tests/goldens/tiny/{name}/model.gguf"));
    }
    assert!(names.len() >= 24);
    let known = |name: &str| names.iter().any(|n| n == name) || name.contains(' ');
    assert!(PER_TOKEN.iter().all(|of| known(of.0)), "a limit of no model");
    check("SmolLM2-135M Q4_1", "models/SmolLM2-135M-Instruct.Q4_1.gguf");
    check("Gemma 3 270M Q4_K_M", "models/gemma-3-270m.Q4_K_M.gguf");
}
