//! Greedy tokens that are decoded before the first of them is known: whatever ends a generation, nothing is seen of them.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

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
    let path = format!("{}/tests/goldens/tiny/lfm2-q8_0/model.gguf", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(path).unwrap();
    if let Some(eos) = eos {
        // a key, the type u32, the value
        const KEY: &[u8] = b"tokenizer.ggml.eos_token_id\x04\0\0\0";
        let at = bytes.windows(KEY.len()).position(|window| window == KEY).unwrap() + KEY.len();
        bytes[at..at + 4].copy_from_slice(&eos.to_le_bytes());
    }
    let gpu = match block_on(Gpu::new(Options { max_ahead, ..Options::default() })) {
        Ok(gpu) => gpu,
        Err(e) if std::env::var_os("PAGELM_ALLOW_NO_GPU").is_some() => {
            println!("SKIPPED, PAGELM_ALLOW_NO_GPU is set: {e}");
            return None;
        }
        Err(e) => panic!("{e}; install a Vulkan driver such as mesa-vulkan-drivers"),
    };
    let options = LoadOptions { context: Some(CONTEXT), kv: None, chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(&bytes).unwrap());
    block_on(loader.prepare(gpu)).unwrap();
    Some(block_on(loader.finish()).unwrap())
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
    let sampling = SamplingOptions { temperature: 0.8, seed: 3, ..Default::default() };
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
        (&extended, GenerateOptions { sampling, ..limited(6) }, 99),
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
    let passes = |engine: &mut Engine<Gpu>, max_tokens: Option<usize>| {
        let before = engine.backend().counters().passes;
        run(engine, &[7, 8, 9], GenerateOptions { max_tokens, ..options.clone() }, 5);
        engine.backend().counters().passes - before
    };
    assert_eq!(passes(&mut plain, None), 5);
    assert_eq!(passes(&mut ahead, None), 5 + AHEAD);
    // no more than are wanted, and none beyond the context
    assert_eq!(passes(&mut ahead, Some(4)), 4);
    assert_eq!(passes(&mut ahead, Some(5)), 5);
    let long: Vec<u32> = (0..CONTEXT as u32 - 2).collect();
    let before = ahead.backend().counters().passes;
    run(&mut ahead, &long, options, 99);
    assert_eq!(ahead.backend().counters().passes - before, 2);
}
