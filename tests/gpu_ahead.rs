//! Tokens that are decoded before the first of them is known, greedy or drawn: whatever ends a generation, nothing is seen of
//! them.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::gpu::{Gpu, Options};
use pagelm::sampling::SamplingOptions;
use pollster::block_on;

const CONTEXT: usize = 64;
const AHEAD: u64 = 2;

/// The tiny model on a device that decodes so many tokens ahead at most.
fn engine(max_ahead: usize) -> Option<Engine<Gpu>> {
    engine_with_eos(max_ahead, None)
}

/// The same with another token that ends a text.
fn engine_with_eos(max_ahead: usize, eos: Option<u32>) -> Option<Engine<Gpu>> {
    let mut bytes = model();
    if let Some(eos) = eos {
        // a key, the type u32, the value
        const KEY: &[u8] = b"tokenizer.ggml.eos_token_id\x04\0\0\0";
        let at = bytes.windows(KEY.len()).position(|window| window == KEY).unwrap() + KEY.len();
        bytes[at..at + 4].copy_from_slice(&eos.to_le_bytes());
    }
    Some(load(gpu(max_ahead)?, &bytes))
}

fn model() -> Vec<u8> {
    std::fs::read(format!("{}/tests/goldens/tiny/lfm2-q8_0/model.gguf", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn gpu(max_ahead: usize) -> Option<Gpu> {
    let options = Options { max_ahead, submit_ms: f64::INFINITY, ..Options::default() };
    Some(Gpu::on(device::device(options)?).unwrap())
}

fn load(gpu: Gpu, bytes: &[u8]) -> Engine<Gpu> {
    let options = LoadOptions { context: Some(CONTEXT), kv: None, chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(bytes).unwrap());
    block_on(loader.prepare(gpu)).unwrap();
    block_on(loader.finish()).unwrap()
}

/// What a caller sees of a generation that it ends after `most` events.
fn run(engine: &mut Engine<Gpu>, prompt: &[u32], options: GenerateOptions, most: usize) -> Vec<String> {
    let mut seen = vec![format!("{:?}", engine.start(prompt, options).unwrap())];
    for _ in 0..most {
        let event = block_on(engine.step()).unwrap();
        let is_last = matches!(event, Event::Finish { .. });
        seen.push(format!("{event:?}"));
        if is_last {
            return seen;
        }
    }
    seen.push(format!("{:?}", engine.stop()));
    seen
}

fn ids(engine: &mut Engine<Gpu>, prompt: &[u32], count: usize) -> (Vec<u32>, String) {
    let (mut ids, mut text) = (Vec::new(), String::new());
    engine.start(prompt, GenerateOptions { max_tokens: Some(count), ignore_eos: true, ..Default::default() }).unwrap();
    while let Event::Token(token) = block_on(engine.step()).unwrap() {
        ids.push(token.id);
        text.push_str(&token.text);
    }
    (ids, text)
}

#[test]
fn nothing_is_seen_of_what_is_decoded_ahead() {
    let (Some(mut plain), Some(mut ahead)) = (engine(0), engine(8)) else { return };
    let prompt: Vec<u32> = (5..25).collect();
    let (tokens, text) = ids(&mut plain, &prompt, 12);
    assert_eq!(tokens.len(), 12);
    assert_eq!(ids(&mut ahead, &prompt, 12), (tokens.clone(), text.clone()));
    // a stop text that is complete in the middle
    let stop: String = text.chars().skip(text.chars().count() / 2).take(2).collect();
    let all = GenerateOptions { ignore_eos: true, ..Default::default() };
    let limited = |max_tokens| GenerateOptions { max_tokens: Some(max_tokens), ..all.clone() };
    let extended: Vec<u32> = prompt.iter().chain(&tokens[..4]).copied().collect();
    let cases = [
        (&prompt, limited(1), 99),
        (&prompt, limited(2), 99),
        (&prompt, limited(3), 99),
        (&prompt, limited(10), 99),
        // ended by the caller, and the next one goes on from what was seen, or from before that
        (&prompt, all.clone(), 1),
        (&extended, all.clone(), 3),
        (&prompt, all.clone(), 5),
        (&prompt, GenerateOptions { stop: vec![stop.clone()], ..all.clone() }, 99),
        (&extended, GenerateOptions { sampling: sampled(3), ..limited(6) }, 99),
        (&extended, limited(4), 2),
        (&prompt, GenerateOptions { ignore_eos: false, ..Default::default() }, 99),
        // to the end of the context
        (&prompt, all.clone(), 99),
    ];
    for (i, (prompt, options, most)) in cases.into_iter().enumerate() {
        let has_stop = !options.stop.is_empty();
        let expected = run(&mut plain, prompt, options.clone(), most);
        assert!(!has_stop || expected.last().unwrap().contains("Stop") && expected.len() < 12, "{expected:?}");
        assert_eq!(run(&mut ahead, prompt, options, most), expected, "case {i}");
    }
    // logits and scores in between
    for engine in [&mut plain, &mut ahead] {
        run(engine, &prompt, all.clone(), 3);
    }
    let (expected, got) = (block_on(plain.logits(&extended)).unwrap(), block_on(ahead.logits(&extended)).unwrap());
    assert!(got == expected, "logits after a generation that was ended");
}

/// Options that need every part of a draw.
fn sampled(seed: u64) -> SamplingOptions {
    SamplingOptions {
        temperature: 1.3,
        top_k: 60,
        top_p: 0.97,
        min_p: 0.01,
        repetition_penalty: 1.2,
        frequency_penalty: 0.4,
        penalty_last_n: 9,
        logit_bias: vec![(7, 1.5), (8, f32::NEG_INFINITY)],
        seed,
        ..Default::default()
    }
}

#[test]
fn a_seed_gives_one_text_whatever_runs_ahead() {
    let (Some(mut none), Some(mut two), Some(mut eight)) = (engine(0), engine(2), engine(8)) else { return };
    let prompt: Vec<u32> = (5..25).collect();
    let all = |sampling| GenerateOptions { sampling, ignore_eos: true, ..Default::default() };
    let warm = SamplingOptions { temperature: 0.8, seed: 1, ..Default::default() };
    let penalised = SamplingOptions { presence_penalty: 1.0, repetition_penalty: 1.5, ..Default::default() };
    let mut texts = Vec::new();
    for (sampling, most) in [
        (sampled(1), 99),
        (sampled(2), 99),
        // ended in the middle, and once more
        (sampled(2), 4),
        (sampled(2), 99),
        (warm.clone(), 3),
        (warm, 99),
        (penalised, 99),
    ] {
        let expected = run(&mut none, &prompt, all(sampling.clone()), most);
        for engine in [&mut two, &mut eight] {
            assert_eq!(run(engine, &prompt, all(sampling.clone()), most), expected, "{sampling:?}");
        }
        texts.push(expected[1..].to_vec());
    }
    let full = CONTEXT - prompt.len();
    assert!(texts.iter().all(|text| [full + 1, 5, 4].contains(&text.len())), "{texts:?}");
    assert_eq!(texts[1], texts[3], "the same seed");
    assert_eq!(texts[1][..4], texts[2][..4], "the same seed, ended early");
    assert!(texts[0] != texts[1] && texts[4][..3] == texts[5][..3]);
}

/// Log-probabilities take the logits to the host, where `Sampler` chooses.
#[test]
fn the_host_chooses_the_same_tokens() {
    let Some(mut engine) = engine(8) else { return };
    let prompt: Vec<u32> = (5..25).collect();
    let chat = SamplingOptions { temperature: 0.8, top_k: 40, top_p: 0.95, seed: 5, ..Default::default() };
    let min_p = SamplingOptions { temperature: 1.0, min_p: 0.05, seed: 6, ..Default::default() };
    let penalised = SamplingOptions { presence_penalty: 1.0, repetition_penalty: 1.5, ..Default::default() };
    let mut tokens = |sampling: SamplingOptions| {
        let options = GenerateOptions { sampling, ignore_eos: true, ..Default::default() };
        engine.start(&prompt, options).unwrap();
        let before = engine.backend().counters().bytes_read;
        let mut ids = Vec::new();
        while let Event::Token(token) = block_on(engine.step()).unwrap() {
            ids.push(token.id);
        }
        (ids, engine.backend().counters().bytes_read - before)
    };
    for sampling in [chat, min_p, sampled(7), penalised] {
        let (on_device, few) = tokens(sampling.clone());
        let (on_host, many) = tokens(SamplingOptions { top_logprobs: Some(0), ..sampling.clone() });
        assert_eq!(on_device, on_host, "{sampling:?}");
        assert_eq!((on_device.len(), few), (CONTEXT - prompt.len(), 8 * on_device.len() as u64));
        assert!(many > 100 * few, "{many} bytes were read for the host");
    }
}

#[test]
fn damaged_weights_are_not_finite() {
    let Some(gpu) = gpu(0) else { return };
    let mut bytes = model();
    let pagelm::gguf::Parsed::Complete(header) = pagelm::gguf::Header::parse(&bytes, bytes.len() as u64).unwrap()
    else {
        panic!("the file is complete")
    };
    let norm = header.tensors.iter().find(|t| t.name == "token_embd_norm.weight").unwrap();
    let at = norm.offset as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut engine = load(gpu, &bytes);
    for sampling in [SamplingOptions::default(), sampled(1)] {
        engine.start(&[5, 6], GenerateOptions { sampling, ..Default::default() }).unwrap();
        let error = block_on(engine.step()).unwrap_err();
        assert_eq!(error.kind(), pagelm::ErrorKind::NotFinite);
        assert!(error.detail().starts_with("logit 0 of") && error.detail().contains("NaN"), "{error}");
    }
}

#[test]
fn a_token_that_ends_the_text_ends_it() {
    let Some(mut any) = engine(0) else { return };
    let prompt: Vec<u32> = (5..25).collect();
    let (tokens, _) = ids(&mut any, &prompt, 12);
    let eos = tokens[5];
    let first = tokens.iter().position(|&token| token == eos).unwrap();
    let (Some(mut plain), Some(mut ahead)) = (engine_with_eos(0, Some(eos)), engine_with_eos(8, Some(eos))) else {
        return;
    };
    for most in [99, first] {
        let expected = run(&mut plain, &prompt, GenerateOptions::default(), most);
        // the start, the tokens before it, and the end
        assert_eq!(expected.len(), first + 2, "{expected:?}");
        assert_eq!(expected.last().unwrap().contains("Stop"), most == 99, "{expected:?}");
        assert_eq!(run(&mut ahead, &prompt, GenerateOptions::default(), most), expected);
    }
}

#[test]
fn passes_are_handed_over_ahead() {
    let (Some(mut plain), Some(mut ahead)) = (engine(0), engine(AHEAD as usize)) else { return };
    let options = GenerateOptions { ignore_eos: true, ..Default::default() };
    for sampling in [SamplingOptions::default(), sampled(1)] {
        let passes = |engine: &mut Engine<Gpu>, max_tokens: Option<usize>| {
            let before = engine.backend().counters().passes;
            let options = GenerateOptions { max_tokens, sampling: sampling.clone(), ..options.clone() };
            run(engine, &[7, 8, 9], options, 5);
            engine.backend().counters().passes - before
        };
        assert_eq!(passes(&mut plain, None), 5);
        assert_eq!(passes(&mut ahead, None), 5 + AHEAD);
        // no more than are wanted, and none beyond the context
        assert_eq!(passes(&mut ahead, Some(4)), 4);
        assert_eq!(passes(&mut ahead, Some(5)), 5);
    }
    let long: Vec<u32> = (0..CONTEXT as u32 - 2).collect();
    let before = ahead.backend().counters().passes;
    run(&mut ahead, &long, options, 99);
    assert_eq!(ahead.backend().counters().passes - before, 2);
}
