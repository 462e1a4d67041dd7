//! Layers with a window hold no more than that needs: whatever text is gone back to, and wherever a generation that ran ahead is
//! ended, numbers and tokens are those of a backend that holds everything.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use pagelm::engine::{Engine, EngineLoader, Event, GenerateOptions, LoadOptions};
use pagelm::kernels::gpu::{Gpu, Options};
use pagelm::kernels::reference::Reference;
use pagelm::kernels::{Backend, KvType};
use pagelm::sampling::log_softmax;
use pollster::block_on;

const CONTEXT: usize = 160;
/// As of the goldens: f32 arithmetic in another order.
const LIMIT: f64 = 0.001;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

fn gpu(options: Options) -> Option<Gpu> {
    Some(Gpu::on(device::device(options)?).unwrap())
}

fn load<B: Backend>(backend: B, name: &str) -> Engine<B> {
    let path = format!("{}/tests/goldens/tiny/{name}/model.gguf", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let options = LoadOptions { context: Some(CONTEXT), kv: Some(KvType::F32), chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(&bytes).unwrap());
    block_on(loader.prepare(backend)).unwrap();
    block_on(loader.finish()).unwrap()
}

/// How many tokens of the prompt were cached, and at most `most` tokens after it; the generation is then dropped as it is.
fn generate<B: Backend>(engine: &mut Engine<B>, prompt: &[u32], most: usize) -> (usize, Vec<u32>) {
    let options = GenerateOptions { ignore_eos: true, ..Default::default() };
    let cached = engine.start(prompt, options).unwrap().cached_tokens;
    let mut ids = Vec::new();
    while ids.len() < most {
        match block_on(engine.step()).unwrap() {
            Event::Token(token) => ids.push(token.id),
            Event::Prefill { .. } => {}
            Event::Finish { .. } => break,
        }
    }
    (cached, ids)
}

fn logits<B: Backend>(engine: &mut Engine<B>, tokens: &[u32]) -> Vec<f64> {
    log_softmax(&block_on(engine.logits(tokens)).unwrap()).unwrap()
}

/// Texts that go on from some point of the one before, each ended somewhere while passes behind it are on their way.
fn go_back(name: &str, max_rows: usize, max_ahead: usize) -> Option<()> {
    let mut windowed = load(gpu(Options { max_rows, max_ahead, ..Options::default() })?, name);
    let mut all = load(Reference::new(), name);
    let mut rng = Rng((max_rows * 100 + max_ahead) as u64);
    let mut text: Vec<u32> = Vec::new();
    let (mut kept, mut begun, mut worst) = (0, 0, 0.0f64);
    for round in 0..24 {
        // near the end, or anywhere
        let back = if rng.below(2) == 0 { rng.below(6) } else { rng.below(text.len() + 1) };
        let shared = text.len().saturating_sub(back).min(CONTEXT - 40);
        text.truncate(shared);
        text.extend((0..1 + rng.below(12)).map(|_| 10 + rng.below(300) as u32));
        let most = rng.below(24);
        let (cached, ids) = generate(&mut windowed, &text, most);
        // the text may go on as it did before
        assert!(cached == 0 || cached >= shared.min(text.len() - 1), "{name}: {cached} of {shared} are cached");
        kept += usize::from(cached > 0);
        begun += usize::from(cached == 0 && shared > 0);
        assert_eq!(generate(&mut all, &text, most).1, ids, "{name}, round {round}, {} tokens", text.len());
        text.extend(ids);
        let (have, want) = (logits(&mut windowed, &text), logits(&mut all, &text));
        worst = have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(worst, f64::max);
        assert!(worst <= LIMIT, "{name}, round {round}, {} tokens: {worst}", text.len());
    }
    println!("{name}, {max_rows} rows, {max_ahead} ahead: {kept} kept, {begun} begun anew, worst {worst:.1e}");
    assert!(kept >= 3 && begun >= 2, "{name}: {kept} kept, {begun} begun anew");
    Some(())
}

#[test]
fn texts_that_go_back_are_those_of_a_fresh_run() {
    for name in ["gemma3-q4_0-window8", "gemma2-q5_1", "olmo2-iq4_nl-window"] {
        // with seven ahead and a window of eight, the slots are exactly what is needed
        for (max_rows, max_ahead) in [(1, 7), (4, 2), (64, 8)] {
            if go_back(name, max_rows, max_ahead).is_none() {
                return;
            }
        }
    }
}
