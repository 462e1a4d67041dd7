//! Keys and values have room for as much as is stored, which doubles: numbers and tokens are those of a cache that was whole from the
//! beginning, bit for bit, whatever is under way when it grows.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use std::rc::Rc;

use pagelm::ErrorKind;
use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::gpu::{Device, Gpu, Options};
use pagelm::kernels::{Backend, CacheShape, Head, KvType, PassKey, Step};
use pagelm::quant::TensorType;
use pagelm::sampling::SamplingOptions;
use pollster::block_on;

const CONTEXT: usize = 100;
/// It grows at 16, 32 and 64.
const FIRST: usize = 16;

/// All kinds of layers: the whole text only, windows among it, rows of convolutions, windows that are as long as the context.
const MODELS: [&str; 4] = ["llama-bpe-q4_k_m-untied", "gemma3-q4_0-window8", "lfm2-q8_0", "phi3-q3_k-spm"];

fn device(first_positions: usize, options: Options) -> Option<Rc<Device>> {
    device::device(Options { first_positions, submit_ms: f64::INFINITY, ..options })
}

fn load(device: &Rc<Device>, name: &str, kv: KvType) -> Engine<Gpu> {
    let path = format!("{}/tests/goldens/tiny/{name}/model.gguf", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let options = LoadOptions { context: Some(CONTEXT), kv: Some(kv), chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(&bytes).unwrap());
    block_on(loader.prepare(Gpu::on(device.clone()).unwrap())).unwrap();
    block_on(loader.finish()).unwrap()
}

/// The tokens that follow, no more than so many events of them; the generation is then dropped as it is.
fn generate(engine: &mut Engine<Gpu>, prompt: &[u32], sampling: SamplingOptions, most: usize) -> Vec<u32> {
    engine.start(prompt, GenerateOptions { ignore_eos: true, sampling, ..Default::default() }).unwrap();
    let mut ids = Vec::new();
    while ids.len() < most {
        match block_on(engine.step()).unwrap() {
            Event::Token(token) => ids.push(token.id),
            Event::Prefill { .. } => {}
            Event::Finish { .. } => break,
        }
    }
    ids
}

fn logits(engine: &mut Engine<Gpu>, tokens: &[u32]) -> Vec<u32> {
    block_on(engine.logits(tokens)).unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn a_cache_that_has_grown_is_one_that_was_whole() {
    let (Some(growing), Some(all)) = (device(FIRST, Options::default()), device(usize::MAX, Options::default())) else {
        return;
    };
    let drawn = SamplingOptions { temperature: 0.9, top_k: 40, seed: 3, ..Default::default() };
    for name in MODELS {
        for &kv in Gpu::KV_TYPES {
            let (mut grown, mut whole) = (load(&growing, name, kv), load(&all, name, kv));
            let mut sizes = vec![grown.bytes()];
            for (prompt, most) in [(5, 40), (40, 20), (12, 99)] {
                let prompt: Vec<u32> = (0..prompt).map(|i| 10 + (i * 37 + prompt) % 300).collect();
                for sampling in [SamplingOptions::default(), drawn.clone()] {
                    let want = generate(&mut whole, &prompt, sampling.clone(), most);
                    assert_eq!(generate(&mut grown, &prompt, sampling, most), want, "{name}, {kv:?}");
                    let text = [&prompt[..], &want[..want.len() - 1]].concat();
                    assert_eq!(logits(&mut grown, &text), logits(&mut whole, &text), "{name}, {kv:?}, {}", text.len());
                    sizes.push(grown.bytes());
                }
            }
            sizes.dedup();
            // as it began, with room for 64, and for all
            println!("{name}, {kv:?}: {sizes:?} of {}", whole.bytes());
            assert!(sizes.len() == 3 && sizes.is_sorted(), "{name}, {kv:?}: {sizes:?}");
            assert_eq!(sizes.last(), Some(&whole.bytes()), "{name}, {kv:?}");
        }
    }
}

/// A text that grows token by token, three times, with so many passes ahead of the token that is known.
#[test]
fn passes_ahead_go_on_across_a_growth() {
    for max_ahead in [0, 1, 8] {
        let options = Options { max_ahead, ..Options::default() };
        let (Some(growing), Some(all)) = (device(FIRST, options.clone()), device(usize::MAX, options)) else { return };
        for name in MODELS {
            let (mut grown, mut whole) = (load(&growing, name, KvType::F16), load(&all, name, KvType::F16));
            let (began, passes) = (grown.bytes(), |e: &Engine<Gpu>| e.backend().counters().passes);
            let before = [passes(&grown), passes(&whole)];
            let prompt = [7, 8, 9];
            let want = generate(&mut whole, &prompt, SamplingOptions::default(), 99);
            assert_eq!(want.len(), CONTEXT - prompt.len());
            assert_eq!(
                generate(&mut grown, &prompt, SamplingOptions::default(), 99),
                want,
                "{name}, {max_ahead} ahead"
            );
            // as many passes: none was run again
            assert_eq!(passes(&grown) - before[0], passes(&whole) - before[1], "{name}, {max_ahead} ahead");
            let submits = |e: &Engine<Gpu>| e.backend().counters().submits - passes(e);
            assert_eq!(submits(&grown), submits(&whole) + 3, "{name}: one for each time that it grows");
            assert!(grown.bytes() > began && grown.bytes() == whole.bytes(), "{name}: {began} to {}", grown.bytes());
        }
    }
}

/// A backend with a table, a layer of keys and values, a window's layer, and rows of a convolution.
fn small(device: &Rc<Device>, context: usize) -> pagelm::Result<(Gpu, impl FnMut(&mut Gpu) -> pagelm::Result<()>)> {
    let mut gpu = Gpu::on(device.clone())?;
    let table = gpu.create_matrix("table", TensorType::from_name("F32").unwrap(), 4, 32)?;
    let x = gpu.create_buffer("x", 1, 32)?;
    let keys = |window| CacheShape::KeysValues { heads: 1, head_dim: 32, window };
    gpu.create_cache(context, &[keys(None), keys(Some(8)), CacheShape::Rows(32)], KvType::F32)?;
    Ok((gpu, move |gpu: &mut Gpu| {
        gpu.embed(1, table, x)?;
        gpu.store_kv(1, 0, x, x)
    }))
}

const KEY: PassKey = PassKey { rows: 1, head: Head::None };

#[test]
fn room_doubles_and_old_buffers_are_given_back() {
    let options = Options { max_rows: 1, max_ahead: 7, ..Options::default() };
    let Some(device) = device(FIRST, options) else { return };
    let (mut gpu, mut record) = small(&device, 50).unwrap();
    // three buffers that grow, of 128 bytes a position, and the two of 16 slots
    let bytes = |room: u64| 3 * 128 * room + 2 * 128 * 16;
    let beside = gpu.bytes() - bytes(16);
    for (position, room) in [(15, 16), (16, 32), (12, 32), (31, 32), (32, 50), (49, 50)] {
        block_on(gpu.reserve(position + 1)).unwrap();
        gpu.pass(Step { tokens: &[1], position }, KEY, &mut record).unwrap();
        block_on(gpu.flush()).unwrap();
        assert_eq!(gpu.bytes(), beside + bytes(room), "room for {room} at {position}");
        let all = device.buffer_bytes();
        assert!(all - gpu.bytes() < 4096, "{all} bytes of buffers, of which {} are known", gpu.bytes());
    }
    // it grows at once as far as is asked, but not past the context
    let (mut gpu, mut record) = small(&device, 50).unwrap();
    block_on(gpu.reserve(usize::MAX)).unwrap();
    assert_eq!(gpu.bytes(), beside + bytes(50));
    let beyond = gpu.pass(Step { tokens: &[1], position: 50 }, KEY, &mut record).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::ContextOverflow, "{beyond}");
}

#[test]
fn a_pass_that_no_room_was_made_for_is_refused() {
    let Some(device) = device(FIRST, Options::default()) else { return };
    let (mut gpu, mut record) = small(&device, 50).unwrap();
    let early = gpu.pass(Step { tokens: &[1], position: 16 }, KEY, &mut record).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Internal);
    assert!(early.detail().contains("ends at 17; there is room for 16"), "{early}");
}

/// Whatever a cache begins with, what it may need has to be bound.
#[test]
fn a_context_that_is_never_bound_is_refused_at_once() {
    let Some(device) = device(FIRST, Options { default_limits: true, ..Options::default() }) else { return };
    let most = (128 << 20) / 128;
    assert!(small(&device, most).is_ok());
    let Err(error) = small(&device, most + 1) else { panic!("a buffer of more than 128 MiB") };
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.detail().contains("binds at most"), "{error}");
}
