//! What a token and a block of a prompt ask of the GPU, counted for every architecture: there is no GPU to time here.
//!
//! `cargo test --test gpu_counters -- --nocapture` prints the table that `tests/bench/RESULTS.md` keeps; the real models are
//! in it where `make model` has put them.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use std::fs::read;

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::gguf::{Header, Parsed};
use pagelm::kernels::gpu::{Counters, Gpu, Options};
use pagelm::kernels::{Backend, Head, PassKey, Step};
use pagelm::model::{Config, Loader};
use pagelm::quant::TensorType;
use pagelm::sampling::{Sampler, SamplingOptions};
use pollster::block_on;

const PROMPT: usize = 40;
/// Pipelines that a model may need from its self-test to its last token, whatever it is asked for.
const MOST_PIPELINES: usize = 25;
/// A file of ten types of weights, which nobody publishes, needs pipelines for each of them.
const MOST_TYPES: (&str, usize) = ("llama-bpe-iqmix", 29);

/// Dispatches a layer that a token may take, besides six. Eight where values are of a type that is not read together with that of
/// queries and keys.
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
    ("llama-bpe-q4_k_m-untied", 7),
    ("Gemma 3 270M Q4_K_M", 7),
    ("gemma3-q4_0-window8", 8),
];

/// Bits a weight in the canonical form of its type: codes, scales and minima, and what those of a super-block are multiples of. The
/// grids of IQ1 to IQ3 as the 3 or 4 bits that they expand to.
const CANONICAL_BITS: &[(&str, f64)] = &[
    ("F32", 32.0),
    ("F16", 16.0),
    ("BF16", 16.0),
    ("Q4_0", 4.5),
    ("Q4_1", 5.0),
    ("Q5_0", 5.5),
    ("Q5_1", 6.0),
    ("Q8_0", 8.5),
    ("Q2_K", 2.0 + 0.5 + 0.125),
    ("Q3_K", 3.0 + 0.5 + 0.0625),
    ("Q4_K", 4.0 + 0.5 + 0.125),
    ("Q5_K", 5.0 + 0.5 + 0.125),
    ("Q6_K", 6.0 + 0.5 + 0.0625),
    ("IQ4_NL", 4.5),
    ("IQ4_XS", 4.0 + 0.25 + 0.0625),
    ("TQ1_0", 2.0 + 0.0625),
    ("TQ2_0", 2.0 + 0.0625),
];

/// Tiny models at least whose bytes are weighed: the others have experts, convolutions or types without a row in [`CANONICAL_BITS`].
const LEAST_WEIGHED: usize = 21;
/// Bytes of weights that a token reads at most, by those of their canonical form.
const MOST_BYTES: f64 = 1.05;
/// More where a scale and a minimum of four bits take a byte each, or blocks that have but one scale in 256 weights have a byte each.
const MORE_BYTES: &[(&str, f64)] =
    &[("olmo2-q2_k", 1.13), ("bitnet-tq1_0", 1.08), ("bitnet-tq2_0", 1.1), ("bitnet-b1.58-tq2_0-scales", 1.1)];

/// What the matrices take that a token goes through, in their canonical form: all but the table where that is not the output, of
/// which a row is read. Rows are counted in multiples of `panel`. Nothing where a type is not listed, or only some experts are read.
fn canonical_bytes(bytes: &[u8], panel: u64) -> Option<f64> {
    let Parsed::Complete(header) = Header::parse(bytes, bytes.len() as u64).unwrap() else { panic!("a whole file") };
    let is_untied = header.tensors.iter().any(|tensor| tensor.name == "output.weight");
    let mut all = 0.0;
    for tensor in header.tensors.iter().filter(|tensor| tensor.dims.len() > 1) {
        let bits = CANONICAL_BITS.iter().find(|of| of.0 == tensor.ty.name)?.1;
        let weights = (tensor.dims[0] * tensor.dims[1].next_multiple_of(panel)) as f64;
        all += match tensor.name.as_str() {
            name if name.contains("_exps") || name.contains("shortconv.conv") => return None,
            "token_embd.weight" if is_untied => tensor.dims[0] as f64 * bits / 8.0,
            "token_embd.weight" => (weights + tensor.dims[0] as f64) * bits / 8.0,
            _ => weights * bits / 8.0,
        };
    }
    Some(all)
}

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
            block_on(loader.self_test(&mut Gpu::on(gpu.device().clone()).unwrap(), 1e-5)).unwrap();
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
        let compiled = engine.backend().device().pipelines();
        for (first, &rows) in blocks.iter().enumerate() {
            // each begins with another token, so that nothing is kept of the one before
            let prompt: Vec<u32> = (0..rows as u32).map(|i| 10 + 20 * life + first as u32 + i).collect();
            for sampling in [SamplingOptions::default(), draws.clone(), every_option(), logprobs.clone()] {
                let options = GenerateOptions { max_tokens: Some(2), ignore_eos: true, sampling, ..Default::default() };
                engine.start(&prompt, options).unwrap();
                while !matches!(block_on(engine.step()).unwrap(), Event::Finish { .. }) {}
                let since = engine.backend().device().pipelines() - compiled;
                assert_eq!(since, 0, "a generation behind {rows} tokens compiles what loading did not");
            }
        }
        block_on(engine.logits(&[5, 6, 7])).unwrap();
        block_on(engine.score(&[8, 6, 7])).unwrap();
        counts.push(engine.backend().device().pipelines());
    }
    assert_eq!(counts[0], counts[1], "a second life compiles nothing");
    counts[1]
}

/// How many pipelines a model needs from its self-test to tokens that are the likeliest or drawn, if each is made when it is first used.
fn pipelines_in_use(gpu: Gpu, bytes: &[u8]) -> usize {
    let mut tested = EngineLoader::<Gpu>::new(bytes.len() as u64, LoadOptions::default());
    assert!(tested.push(bytes).unwrap());
    let device = gpu.device().clone();
    block_on(tested.self_test(&mut Gpu::on(device.clone()).unwrap(), 1e-5)).unwrap();
    let Parsed::Complete(header) = Header::parse(bytes, bytes.len() as u64).unwrap() else { panic!("a whole file") };
    let (config, start) = (Config::from_header(&header).unwrap(), header.data_offset);
    let draws = SamplingOptions { temperature: 1.0, seed: 1, ..Default::default() };
    let how = Sampler::new(draws, config.vocabulary).unwrap().on_device().unwrap();
    // it is not told to warm the device
    let mut loader = Loader::new(gpu, header, config, PROMPT, Gpu::KV_TYPES[0], start).unwrap();
    loader.push(&bytes[start as usize..]).unwrap();
    let mut session = loader.finish().unwrap();
    let prompt: Vec<u32> = (10..22).collect();
    for tokens in [&prompt[..], &[5]] {
        block_on(session.greedy(tokens, 0)).unwrap();
    }
    assert!(session.begin_sampling(&how, &prompt).unwrap());
    block_on(session.sample(&[6], 0, &|_| 0.5)).unwrap();
    device.pipelines()
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
        let mut engine = load(gpu, &bytes);
        if !is_hardware {
            let loaded = engine.backend().device().pipelines();
            assert_eq!(
                loaded,
                pipelines_in_use(self::gpu().unwrap(), &bytes),
                "{name}: what is compiled is not what is used"
            );
        }
        *count = pipelines_of_a_life(&mut engine, blocks);
        // hardware has been measured with both ways to divide products, of which the model may use one
        *count += usize::from(is_hardware);
        let most = if name == MOST_TYPES.0 { MOST_TYPES.1 } else { MOST_PIPELINES };
        assert!(*count <= most, "{name}: {count} pipelines, hardware: {is_hardware}");
    }
    println!("{name}: {} pipelines on software, {} on hardware", counts[0], counts[1]);
    counts
}

/// What the latest pass of each step of a generation asked for.
fn steps(engine: &mut Engine<Gpu>, first: u32, tokens: usize, sampling: SamplingOptions) -> Vec<Counters> {
    let prompt: Vec<u32> = (first..first + PROMPT as u32).collect();
    let options = GenerateOptions { max_tokens: Some(tokens), ignore_eos: true, sampling, ..Default::default() };
    engine.start(&prompt, options).unwrap();
    let mut steps = Vec::new();
    while let Event::Token(_) = block_on(engine.step()).unwrap() {
        steps.push(engine.backend().step_counters());
    }
    assert_eq!(steps.len(), tokens);
    steps
}

/// A prompt's block, and a token that is not the first.
fn count(engine: &mut Engine<Gpu>, sampling: SamplingOptions) -> (Counters, Counters) {
    // no pass runs ahead of a single token; the other prompt begins with another token, so that nothing of it is known
    let block = steps(engine, 9, 1, sampling.clone())[0];
    (block, steps(engine, 10, 4, sampling)[3])
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

/// Counts a model; whether its weights' bytes were held to their canonical form.
fn check(name: &str, path: &str) -> bool {
    let bytes = file(path);
    let mut engine = load(gpu().unwrap(), &bytes);
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
    // of a tiny matrix the rows that fill up its last panel are many
    let is_tiny = !name.contains(' ');
    let canonical = canonical_bytes(&bytes, if is_tiny { 64 } else { 1 });
    if let Some(canonical) = canonical {
        let share = token.weight_bytes as f64 / canonical;
        let most = MORE_BYTES.iter().find(|of| of.0 == name).map_or(MOST_BYTES, |of| of.1);
        println!("{name}: {share:.4} of its weights' canonical bytes");
        assert!((0.99..=most).contains(&share), "{name}: {} bytes of weights, {canonical}", token.weight_bytes);
    }
    let most = PER_TOKEN.iter().find(|of| of.0 == name).map(|of| of.1 * layers as u64 + 6);
    assert!(most.is_none_or(|most| token.dispatches <= most), "{name}: {} of {most:?} dispatches", token.dispatches);
    canonical.is_some()
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
    let weighed = names.iter().filter(|name| check(name, &format!("tests/goldens/tiny/{name}/model.gguf"))).count();
    println!("{weighed} of {} tiny models were weighed", names.len());
    assert!(names.len() >= 24 && weighed >= LEAST_WEIGHED, "only {weighed} were weighed");
    let known = |name: &str| names.iter().any(|n| n == name) || name.contains(' ');
    assert!(PER_TOKEN.iter().all(|of| known(of.0)), "a limit of no model");
    assert!(check("SmolLM2-135M Q4_1", "models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    assert!(check("Gemma 3 270M Q4_K_M", "models/gemma-3-270m.Q4_K_M.gguf"));
}

/// Queries, keys and values of these types: how many dispatches their products are.
#[test]
fn types_that_are_read_together() {
    let Some(mut gpu) = gpu() else { return };
    let (rows, cols) = ([192, 64, 65], 256);
    for (types, dispatches) in [
        (["Q4_0", "Q4_0", "Q4_0"], 1),
        (["Q5_0", "Q5_0", "Q8_0"], 1),
        (["Q4_K", "Q4_K", "Q6_K"], 1),
        (["Q5_K", "Q5_K", "Q6_K"], 1),
        (["Q4_K", "Q6_K", "Q6_K"], 1),
        (["Q4_0", "Q4_0", "F16"], 2),
        (["Q6_K", "Q4_K", "Q6_K"], 2),
        (["Q4_0", "Q5_0", "F16"], 3),
    ] {
        let types = types.map(|name| TensorType::from_name(name).unwrap());
        let parts = [("q", types[0], rows[0]), ("k", types[1], rows[1]), ("v", types[2], rows[2])];
        let matrices = gpu.create_stack(&parts, cols).unwrap();
        let outs = gpu.create_buffers(1, &parts.map(|(label, _, rows)| (label, rows))).unwrap();
        let x = gpu.create_buffer("x", 1, cols).unwrap();
        let products: Vec<_> = matrices.into_iter().zip(outs).collect();
        let key = PassKey { rows: 1, head: Head::None };
        gpu.create_cache(1, &[], Gpu::KV_TYPES[0]).unwrap(); // forgets the pass of the types before
        gpu.pass(Step { tokens: &[0], position: 0 }, key, &mut |b| b.matmuls(1, &products, x)).unwrap();
        let counted = gpu.step_counters();
        assert_eq!(counted.dispatches, dispatches, "{parts:?}");
        // whole panels, and nothing else of what lies beside them
        let bits = |ty: TensorType| CANONICAL_BITS.iter().find(|of| of.0 == ty.name).unwrap().1;
        let read: f64 =
            parts.iter().map(|(_, ty, rows)| (rows.next_multiple_of(64) * cols) as f64 * bits(*ty) / 8.0).sum();
        assert_eq!(counted.weight_bytes as f64, read, "{parts:?}");
    }
}
