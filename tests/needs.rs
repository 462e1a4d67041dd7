//! What is reckoned from the header against what is held after loading, for every tiny model.

#[cfg(feature = "gpu")]
mod device;

use pagelm::Result;
use pagelm::engine::{Bytes, Engine, EngineLoader, Fits, HEAP_LIMIT, LoadOptions, Room};
use pagelm::gguf::{Header, Parsed};
use pagelm::kernels::cpu::CpuFootprint;
use pagelm::kernels::footprint::{BufferLimits, Footprint, Size};
use pagelm::kernels::reference::{Reference, Scalar};
use pagelm::kernels::{Backend, CacheShape, KvType};
use pagelm::model::{Config, Needs};
use pagelm::quant::TensorType;
use pollster::block_on;

/// Not the default, and below what every tiny model was made for.
const CONTEXT: usize = 96;

fn models() -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/tests/goldens/tiny", env!("CARGO_MANIFEST_DIR"));
    let mut models = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Ok(bytes) = std::fs::read(path.join("model.gguf")) {
            models.push((path.file_name().unwrap().to_string_lossy().into_owned(), bytes));
        }
    }
    assert!(models.len() > 20, "{} models", models.len());
    models
}

fn header(bytes: &[u8]) -> Header {
    let Parsed::Complete(header) = Header::parse(bytes, bytes.len() as u64).unwrap() else {
        panic!("the file is complete")
    };
    header
}

fn needs(bytes: &[u8], kv: KvType, on: &mut impl Footprint) -> Result<Needs> {
    let header = header(bytes);
    Needs::of(&header, &Config::from_header(&header)?, CONTEXT, kv, on)
}

fn load<B: Backend>(backend: B, bytes: &[u8], kv: KvType) -> Engine<B> {
    let options = LoadOptions { context: Some(CONTEXT), kv: Some(kv), chat_template: None };
    let mut loader = EngineLoader::new(bytes.len() as u64, options);
    assert!(loader.push(bytes).unwrap());
    block_on(loader.prepare(backend)).unwrap();
    block_on(loader.finish()).unwrap()
}

#[test]
fn the_cpu_holds_what_was_reckoned() {
    for (name, bytes) in models() {
        let needs = needs(&bytes, KvType::F32, &mut CpuFootprint::<Scalar>::default()).unwrap();
        let mut engine = load(Reference::new(), &bytes, KvType::F32);
        assert_eq!(engine.bytes(), needs.all().total, "{name}");
        block_on(engine.logits(&[1; CONTEXT])).unwrap();
        assert_eq!(engine.bytes(), needs.all().total, "{name}, with a full cache");
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_holds_what_was_reckoned() {
    use pagelm::kernels::gpu::{Gpu, GpuFootprint, Options};

    let options = Options { default_limits: true, first_positions: 16, ..Options::default() };
    let Some(device) = device::device(options) else { return };
    let mut windowed = 0;
    for (name, bytes) in models() {
        let limits = BufferLimits { size: 256 << 20, binding: 128 << 20 };
        let mut caches = Vec::new();
        for &kv in Gpu::KV_TYPES {
            let needs = needs(&bytes, kv, &mut GpuFootprint::new(limits)).unwrap();
            let mut engine = load(Gpu::on(device.clone()).unwrap(), &bytes, kv);
            assert!(engine.bytes() < needs.all().total, "{name}, {kv:?}: it has all before anything is stored");
            block_on(engine.logits(&[1; CONTEXT])).unwrap();
            assert_eq!(engine.bytes(), needs.all().total, "{name}, {kv:?}, with a full cache");
            caches.push(needs.cache.total);
        }
        // rows of short convolutions stay as they are
        let [halves, singles, eight] = caches[..] else { panic!("{caches:?}") };
        assert!(halves * 2 == singles || name.starts_with("lfm2") && halves < singles, "{name}: {caches:?}");
        assert!(eight < halves, "{name}: {caches:?}");
        let config = Config::from_header(&header(&bytes)).unwrap();
        let slots = |shape: &CacheShape| match *shape {
            // 64 rows of a pass, and 8 passes ahead
            CacheShape::KeysValues { window: Some(window), .. } => (window + 72).next_multiple_of(16).min(CONTEXT),
            CacheShape::KeysValues { window: None, .. } => CONTEXT,
            CacheShape::Rows(_) => CONTEXT,
        };
        let slots: usize = config.cache().iter().map(slots).sum();
        if !name.starts_with("lfm2") {
            assert_eq!(singles, (slots * config.kv_width() * 2 * 4) as u64, "{name}");
        }
        windowed += usize::from(slots < config.layers * CONTEXT);
    }
    assert!(windowed >= 1, "no model has a window that is shorter than the context");
}

/// What `room` says of a tiny model at its own context, with the heap as `heap` says.
fn fits(heap: u64, gpu: Option<BufferLimits>) -> Fits {
    fits_with(None, heap, gpu)
}

fn fits_with(kv: Option<KvType>, heap: u64, gpu: Option<BufferLimits>) -> Fits {
    fits_on(&mut CpuFootprint::<Scalar>::default(), kv, Room { heap, gpu })
}

fn fits_on(cpu: &mut impl Footprint, kv: Option<KvType>, room: Room) -> Fits {
    let (_, bytes) = models().into_iter().find(|(name, _)| name == "llama-bpe-q4_k_m-untied").unwrap();
    let options = LoadOptions { context: Some(CONTEXT), kv, chat_template: None };
    let mut loader = EngineLoader::<Reference>::new(bytes.len() as u64, options);
    assert!(loader.push(&bytes).unwrap());
    loader.fits(room, cpu).unwrap()
}

#[test]
fn a_heap_that_is_a_byte_too_small_is_refused_with_the_numbers() {
    let roomy = fits(0, None).cpu;
    assert!(roomy.fits && roomy.problem.is_none() && roomy.code.is_none(), "{roomy:?}");
    let Bytes { weights, cache, activations, overhead, heap, gpu } = roomy.needs;
    assert_eq!((weights + cache + activations + overhead, 0), (heap, gpu));
    let left = HEAP_LIMIT - heap;
    assert_eq!(fits(left, None).cpu.max_context_length, Some(CONTEXT));
    let tight = fits(left + 1, None).cpu;
    assert_eq!((tight.fits, tight.code), (false, Some("out-of-memory")));
    let (most, problem) = (tight.max_context_length.unwrap(), tight.problem.unwrap());
    assert_eq!(most, CONTEXT - 1);
    assert!(problem.contains("WebAssembly memory") && problem.contains("there are 4295 MB"), "{problem}");
    let hopeless = fits(HEAP_LIMIT, None).cpu;
    assert_eq!((hopeless.fits, hopeless.max_context_length), (false, None));
    assert!(hopeless.problem.unwrap().ends_with("; a smaller model would fit"));
}

/// Help comes last, so a sentence ends as its help does.
#[test]
fn a_refusal_is_a_whole_sentence() {
    let needs = fits(0, None).cpu.needs;
    let problem = fits(HEAP_LIMIT - needs.heap + 1, None).cpu.problem.unwrap();
    let (_, name) = problem.split_once("; it would fit with a file of fewer bits a weight, such as ").unwrap();
    assert!(name.starts_with('Q') && !name.contains(' '), "{problem}");
}

/// Counts as the reference does, but for a cache of 8 bits, which takes a quarter here.
struct Packed(CpuFootprint<Scalar>);

impl Footprint for Packed {
    fn max_rows(&self) -> usize {
        self.0.max_rows()
    }
    fn matrices(&mut self, ty: TensorType, experts: usize, rows: usize, cols: usize) -> Result<Size> {
        self.0.matrices(ty, experts, rows, cols)
    }
    fn vector(&self, len: usize) -> Size {
        self.0.vector(len)
    }
    fn buffer(&self, rows: usize, width: usize) -> Size {
        self.0.buffer(rows, width)
    }
    fn kv_types(&self) -> &'static [KvType] {
        &[KvType::F32, KvType::Q8_0]
    }
    fn cache(&self, context: usize, layers: &[CacheShape], kv: KvType) -> Size {
        let Size { total, largest } = self.0.cache(context, layers, KvType::F32);
        let part = if kv == KvType::Q8_0 { 4 } else { 1 };
        Size { total: total / part, largest: largest / part }
    }
}

#[test]
fn a_smaller_type_of_keys_and_values_is_named_where_it_would_fit() {
    let fits = |kv, heap| fits_on(&mut Packed(CpuFootprint::default()), kv, Room { heap, gpu: None }).cpu;
    let [f32, q8_0] = [KvType::F32, KvType::Q8_0].map(|kv| fits(Some(kv), 0).needs);
    assert_eq!(q8_0.cache * 4, f32.cache);
    // room for the one and not for the other
    let tight = fits(None, HEAP_LIMIT - q8_0.heap).problem.unwrap();
    assert!(
        tight.contains("; it would fit with kvCacheType 'q8_0' or a file of fewer bits a weight, such as Q"),
        "{tight}"
    );
    assert!(fits(Some(KvType::Q8_0), HEAP_LIMIT - q8_0.heap).fits);
    let hopeless = fits(None, HEAP_LIMIT - q8_0.heap + 1).problem.unwrap();
    assert!(!hopeless.contains("kvCacheType"), "{hopeless}");
}

#[cfg(feature = "gpu")]
#[test]
fn a_type_of_keys_and_values_that_is_not_there_is_refused_with_what_is() {
    let gpu = Some(BufferLimits { size: 1 << 30, binding: 128 << 20 });
    // each backend has its own choice
    let fits = fits_with(None, 0, gpu);
    assert_eq!((fits.cpu.kv_cache_type, fits.webgpu.unwrap().kv_cache_type), (Some(KvType::F32), Some(KvType::F16)));
    for kv in [KvType::F32, KvType::Q8_0] {
        let fits = fits_on(&mut Packed(CpuFootprint::default()), Some(kv), Room { heap: 0, gpu });
        let webgpu = fits.webgpu.unwrap();
        assert!(fits.cpu.fits && webgpu.fits && webgpu.kv_cache_type == Some(kv), "{webgpu:?}");
    }
    let fits = fits_on(&mut Packed(CpuFootprint::default()), Some(KvType::F16), Room { heap: 0, gpu });
    assert!(fits.webgpu.unwrap().fits);
    assert_eq!((fits.cpu.fits, fits.cpu.code, fits.cpu.kv_cache_type), (false, Some("unsupported-option"), None));
    let problem = fits.cpu.problem.unwrap();
    assert!(problem.starts_with("kvCacheType is 'f16'; here there are 'f32', 'q8_0'"), "{problem}");
}

#[cfg(feature = "gpu")]
#[test]
fn what_an_adapter_does_not_bind_is_refused_and_the_other_backend_named() {
    let limits = |binding| Some(BufferLimits { size: 1 << 30, binding });
    let roomy = fits(0, limits(128 << 20)).webgpu.unwrap();
    assert!(roomy.fits, "{roomy:?}");
    assert_eq!(roomy.needs.weights + roomy.needs.cache + roomy.needs.activations, roomy.needs.gpu);
    // logits of 16 rows are its largest buffer
    let tight = fits(0, limits(16 << 10)).webgpu.unwrap();
    let problem = tight.problem.unwrap();
    assert_eq!((tight.fits, tight.code), (false, Some("out-of-memory")));
    assert!(
        problem.contains("binds at most") && problem.ends_with("; it would fit with the backend 'cpu'"),
        "{problem}"
    );
    let heap = fits(0, None).cpu.needs.heap;
    let on_cpu = fits(HEAP_LIMIT - heap + 1, limits(128 << 20));
    assert!(on_cpu.cpu.problem.unwrap().contains("the backend 'webgpu'"));
}
