//! Prompts in blocks and passes in submits: however they are cut, the numbers are the same, and what is given up in between leaves
//! nothing behind.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::gpu::{Gpu, Options};
use pagelm::sampling::SamplingOptions;
use pollster::block_on;

/// Almost every dispatch in a submit of its own, blocks as small as they get.
const FINEST: f64 = 1e-9;
const CONTEXT: usize = 160;

fn engine(name: &str, submit_ms: f64) -> Option<Engine<Gpu>> {
    let gpu = Gpu::on(device::device(Options { submit_ms, ..Options::default() })?).unwrap();
    let path = format!("{}/tests/goldens/tiny/{name}/model.gguf", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let options = LoadOptions { context: Some(CONTEXT), kv: None, chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(&bytes).unwrap());
    block_on(loader.prepare(gpu)).unwrap();
    Some(block_on(loader.finish()).unwrap())
}

fn prompt(len: usize) -> Vec<u32> {
    (0..len as u32).map(|i| 5 + i * 7 % 200).collect()
}

/// The tokens that follow, the most submits and dispatches of a step, and what the steps said of the prompt.
fn run(engine: &mut Engine<Gpu>, prompt: &[u32], sampling: SamplingOptions) -> (Vec<u32>, [u64; 2], Vec<usize>) {
    let options = GenerateOptions { max_tokens: Some(4), ignore_eos: true, sampling, ..Default::default() };
    engine.start(prompt, options).unwrap();
    let (mut tokens, mut most, mut done) = (Vec::new(), [0; 2], Vec::new());
    loop {
        match block_on(engine.step()).unwrap() {
            Event::Prefill { done: now, total } => {
                assert_eq!(total, prompt.len());
                done.push(now);
            }
            Event::Token(token) => tokens.push(token.id),
            Event::Finish { .. } => return (tokens, most, done),
        }
        let step = engine.backend().step_counters();
        most = [most[0].max(step.submits), most[1].max(step.dispatches)];
    }
}

#[test]
fn how_a_prompt_is_cut_changes_nothing() {
    // attention, a window, short convolutions, experts
    let drawn = SamplingOptions { temperature: 1.2, top_k: 50, seed: 3, ..Default::default() };
    let logprobs = SamplingOptions { top_logprobs: Some(1), ..drawn.clone() };
    for name in ["llama-bpe-q4_0-ropefreqs-tied", "gemma3-q4_0-window8", "lfm2-q8_0", "llama-bpe-q5_0-experts"] {
        let (Some(mut whole), Some(mut finest)) = (engine(name, f64::INFINITY), engine(name, FINEST)) else { return };
        for len in [1, 8, 9, 71, 131] {
            let prompt = prompt(len);
            let (expected, got) = (block_on(whole.logits(&prompt)).unwrap(), block_on(finest.logits(&prompt)).unwrap());
            assert!(expected == got, "{name}: logits after {len} tokens");
            for sampling in [SamplingOptions::default(), drawn.clone(), logprobs.clone()] {
                // nothing is cached of it
                whole.start(&[4], GenerateOptions::default()).unwrap();
                finest.start(&[4], GenerateOptions::default()).unwrap();
                let (tokens, [submits, _], _) = run(&mut whole, &prompt, sampling.clone());
                assert_eq!(tokens.len(), 4);
                let is_read = u64::from(sampling.top_logprobs.is_some());
                assert_eq!(submits, 1 + is_read, "{name}: {len} tokens as a whole");
                let (cut, [submits, dispatches], done) = run(&mut finest, &prompt, sampling);
                assert_eq!(cut, tokens, "{name}: {len} tokens");
                // light ones may go along with others
                let (least, most) = (dispatches / 2, dispatches + is_read);
                assert!((least..=most).contains(&submits), "{name}: {len} tokens in {submits} submits");
                assert!(done.is_sorted() && done.iter().all(|&d| d < len), "{name}: {done:?} of {len}");
                let steps: std::collections::BTreeSet<usize> = done.into_iter().collect();
                assert!(steps.len() >= len / 8, "{name}: {steps:?} of {len}");
            }
        }
    }
}

#[test]
fn a_prompt_that_is_given_up_leaves_nothing_behind() {
    let name = "llama-bpe-q4_0-ropefreqs-tied";
    let (Some(mut whole), Some(mut finest)) = (engine(name, f64::INFINITY), engine(name, FINEST)) else { return };
    let (first, mut second) = (prompt(100), prompt(60));
    second.extend(1..30);
    let other: Vec<u32> = prompt(130).into_iter().rev().collect();
    let options = GenerateOptions { max_tokens: Some(4), ignore_eos: true, ..Default::default() };
    let greedy = SamplingOptions::default;
    let mut kept = Vec::new();
    for steps in [0, 1, 5, 18, 90] {
        for next in [&first, &second] {
            let (expected, _, _) = run(&mut whole, next, greedy());
            // of another text, so that what is not evaluated again is not the same by chance
            block_on(finest.logits(&other)).unwrap();
            finest.start(&first, options.clone()).unwrap();
            let mut done = 0;
            for _ in 0..steps {
                let Event::Prefill { done: now, .. } = block_on(finest.step()).unwrap() else {
                    panic!("{steps} steps")
                };
                done = now;
            }
            finest.stop();
            let cached = finest.start(next, options.clone()).unwrap().cached_tokens;
            let shared = next.iter().zip(&first).take_while(|(a, b)| a == b).count();
            assert!(cached <= done.max(8) + 8 && cached >= done.min(shared - 1), "{cached} cached after {done}");
            kept.push(cached);
            assert_eq!(run(&mut finest, next, greedy()).0, expected, "after {steps} steps");
        }
    }
    assert!(kept.contains(&0) && kept.iter().any(|&c| c >= 16), "{kept:?}");
}
