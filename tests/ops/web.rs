//! The case table in browsers, in a worker: the SIMD128 backend, and the WGSL one over the browser's WebGPU, against
//! the reference. `tests/browser/ops.test.mjs` runs it; what is not in a module `gpu` needs no WebGPU.

use super::{measured, ops};
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Prints what was compared, with a line for each type that `tests/browser/ops.test.mjs` keeps, or fails.
fn report_types(what: &str, cases: usize, backend: &'static str, outcome: Result<ops::Findings, String>) {
    if let Ok(found) = &outcome {
        let mut measured = measured::Measured::of(measured::Kind::Type, backend);
        for ((name, op), compared) in &found.types {
            measured.add(name, op, compared.worst.into(), compared.values);
        }
        measured.lines().for_each(|line| console_log!("measured {line}"));
    }
    report(what, cases, outcome.map(|found| found.all));
}

/// Prints what was compared, or fails.
fn report(what: &str, cases: usize, outcome: Result<ops::Compared, String>) {
    match outcome {
        Ok(c) => console_log!("{what}: {cases} cases, {} values, worst error {:.4e}", c.values, c.worst),
        Err(why) => panic!("{what}: {why}"),
    }
}

mod simd {
    #[cfg(target_feature = "relaxed-simd")]
    use super::console_log;
    use super::{report, report_types, wasm_bindgen_test};
    use crate::ops::{Arithmetic, Case, Inputs, cases, goes_red, integers, run_all};
    use pagelm::kernels::reference::Reference;
    use pagelm::kernels::{Backend, KvType, simd128::Simd};

    const RELAXED: bool = cfg!(target_feature = "relaxed-simd");
    const ARITHMETIC: Arithmetic = if RELAXED { Arithmetic::Quantized8 } else { Arithmetic::Quantized16 };

    async fn run(what: &str, cases: &[Case]) {
        let outcome = run_all(cases, ARITHMETIC, || Ok(Reference::new()), || Ok(Simd::new())).await;
        report_types(what, cases.len(), if RELAXED { "cpu, relaxed" } else { "cpu" }, outcome);
    }

    #[wasm_bindgen_test]
    async fn matmul() {
        run("simd matmul", &cases::matmul()).await;
    }

    #[wasm_bindgen_test]
    async fn a_row_alone_and_in_a_batch() {
        run("simd alone", &cases::alone()).await;
    }

    #[wasm_bindgen_test]
    async fn extreme_activations() {
        run("simd extreme", &cases::extreme(Inputs::FINITE)).await;
        run("simd not finite", &cases::extreme(Inputs::NOT_FINITE)).await;
    }

    #[wasm_bindgen_test]
    async fn no_integer_overflows() {
        report("simd integers", 3, integers::run(if RELAXED { 127 } else { 32767 }, || Ok(Simd::new())).await);
    }

    #[wasm_bindgen_test]
    async fn embed() {
        run("simd embed", &cases::embed()).await;
    }

    #[wasm_bindgen_test]
    async fn elements() {
        run("simd elements", &cases::elements()).await;
    }

    #[wasm_bindgen_test]
    async fn attention() {
        for &kv in Simd::KV_TYPES {
            run(&format!("simd attention, {}", kv.name()), &cases::attention(kv)).await;
            run(&format!("simd attention alone, {}", kv.name()), &cases::attention_alone(kv)).await;
        }
        run("simd attend", &cases::attend(KvType::F32)).await;
    }

    #[wasm_bindgen_test]
    async fn experts() {
        run("simd experts", &cases::experts()).await;
    }

    /// What the other tests compute in the form that is set, in all others that the engine has.
    #[cfg(target_feature = "relaxed-simd")]
    #[wasm_bindgen_test]
    async fn every_form_of_relaxed_dots() {
        use pagelm::kernels::simd128::relaxed::{Accumulation, set_accumulation, supported};
        for form in supported() {
            set_accumulation(form);
            run(&format!("simd matmul, {form:?}"), &cases::matmul()).await;
            run(&format!("simd alone, {form:?}"), &cases::alone()).await;
        }
        set_accumulation(Accumulation::Short);
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[wasm_bindgen_test]
    fn products_equal_their_scalar_twins() {
        let equal = super::ops::twins::run().expect("bits that are equal");
        assert!(equal > 10_000, "only {equal} values were compared");
        console_log!("simd twins: {equal} values are equal");
    }

    /// No type of integer codes goes another way: what its operands are, whether they are halved, and how many of their products
    /// 16 bits hold.
    #[cfg(target_feature = "relaxed-simd")]
    #[wasm_bindgen_test]
    fn every_type_has_an_integer_kernel() {
        use pagelm::kernels::simd128::relaxed::twin::kernel;
        use pagelm::quant::{TYPES, TensorType};
        let of = |name: &str| {
            let k = kernel(TensorType::from_name(name).expect("a row of the table"));
            k.map(|k| (k.largest, k.is_split, k.depth))
        };
        for (name, expected) in KERNELS {
            assert_eq!(of(name), *expected, "{name}");
        }
        assert_eq!(KERNELS.len(), TYPES.len());
    }

    /// The largest operand, whether it is given in halves, and how many products 16 bits hold.
    #[cfg(target_feature = "relaxed-simd")]
    type Kernel = (i32, bool, usize);

    #[cfg(target_feature = "relaxed-simd")]
    const KERNELS: &[(&str, Option<Kernel>)] = &[
        ("F32", None),
        ("F16", None),
        ("BF16", None),
        ("Q4_0", Some((15, false, 8))),
        ("Q4_1", Some((15, false, 8))),
        ("Q5_0", Some((31, false, 4))),
        ("Q5_1", Some((31, false, 4))),
        ("Q8_0", Some((255, true, 8))),
        ("Q2_K", Some((3, false, 8))),
        ("Q3_K", Some((7, false, 8))),
        ("Q4_K", Some((15, false, 8))),
        ("Q5_K", Some((31, false, 4))),
        ("Q6_K", Some((63, false, 2))),
        ("IQ1_S", Some((18, false, 4))),
        ("IQ1_M", Some((18, false, 4))),
        ("IQ2_XXS", Some((86, false, 1))),
        ("IQ2_XS", Some((86, false, 1))),
        ("IQ2_S", Some((86, false, 1))),
        ("IQ3_XXS", Some((124, false, 1))),
        ("IQ3_S", Some((30, false, 4))),
        ("IQ4_NL", Some((240, true, 8))),
        ("IQ4_XS", Some((240, true, 8))),
        ("TQ1_0", Some((3, false, 8))),
        ("TQ2_0", Some((3, false, 8))),
        ("MXFP4", Some((24, false, 4))),
        ("NVFP4", Some((24, false, 4))),
        ("Q1_0", Some((3, false, 8))),
        ("Q2_0", Some((3, false, 8))),
        ("I2_S", Some((3, false, 8))),
    ];

    #[wasm_bindgen_test]
    async fn the_harness_goes_red() {
        goes_red().await;
    }

    /// Run on demand: it must fail, or the runner and its page would let failures through.
    #[wasm_bindgen_test]
    #[ignore = "fails on purpose"]
    async fn sabotaged() {
        run("sabotaged", &cases::sabotaged()).await;
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::{console_log, report, report_types, wasm_bindgen_test};
    use crate::ops::{Case, Inputs, arithmetic_of, cases, integers, run_all};
    use pagelm::kernels::KvType;
    use pagelm::kernels::gpu::{Device, Gpu, Options, Precision, Tiling};
    use pagelm::kernels::reference::Reference;
    use std::rc::Rc;
    use wasm_bindgen::prelude::wasm_bindgen;

    // as `pkg/src/subgroups.ts` does in the package
    #[wasm_bindgen(inline_js = "
        let asks = false;
        export function ask_for_subgroups() {
            if (asks) return;
            asks = true;
            const plain = GPUAdapter.prototype.requestDevice;
            GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
                const more = this.features.has('subgroups') ? ['subgroups'] : [];
                return plain.call(this, { ...descriptor, requiredFeatures: [...(descriptor.requiredFeatures ?? []), ...more] });
            };
        }
    ")]
    extern "C" {
        fn ask_for_subgroups();
    }

    async fn device(options: Options) -> Rc<Device> {
        ask_for_subgroups();
        Rc::new(Device::request(options).await.expect("a WebGPU device"))
    }

    async fn run(what: &str, cases: &[Case], options: Options) {
        let device = device(options).await;
        let arithmetic = arithmetic_of(device.precision());
        let outcome = run_all(cases, arithmetic, || Ok(Reference::new()), || Gpu::on(device.clone())).await;
        match device.precision() {
            Precision::F32 => report_types(what, cases.len(), "webgpu", outcome),
            // the table is of what is computed without being asked for
            _ => report(what, cases.len(), outcome.map(|found| found.all)),
        }
    }

    /// Those of the browser that are not exact.
    async fn narrow() -> impl Iterator<Item = Precision> {
        let has = device(Options::default()).await.extensions();
        [Precision::F16, Precision::Int8].into_iter().filter(move |&p| has.allow(p))
    }

    /// WebGPU's default limits, one panel a chunk, grids that wrap after two workgroups, and no subgroups.
    fn cramped() -> Options {
        Options {
            chunk_bytes: 1,
            max_grid: 2,
            default_limits: true,
            tiling: Tiling::Split,
            subgroups: false,
            ..Options::default()
        }
    }

    #[wasm_bindgen_test]
    async fn adapter() {
        let gpu = Gpu::on(device(Options::default()).await).expect("a backend");
        console_log!("{:?}", gpu.adapter_info());
        assert_eq!(gpu.adapter_info().backend, "webgpu");
        // `tests/browser/ops.test.mjs` knows which browser has what
        let has = gpu.device().extensions();
        console_log!("extensions: f16 {}, int8 {}, subgroups {}", has.f16, has.int8, has.subgroups);
    }

    /// Each with one tiling and every fifth case, since emulations take minutes; natively each is with both and all.
    #[wasm_bindgen_test]
    async fn narrow_products() {
        for precision in narrow().await {
            let tilings = [Tiling::Large, Tiling::Small];
            let [one, other] = if precision == Precision::Int8 { tilings } else { [Tiling::Small, Tiling::Large] };
            let options = |tiling| Options { tiling, precision: Some(precision), ..Options::default() };
            let name = |what: &str| format!("gpu {what}, {}", precision.name());
            // of each type some, and of each kind of inputs
            let some = |cases: Vec<Case>| cases.into_iter().step_by(5).collect::<Vec<_>>();
            run(&name("matmul"), &some(cases::matmul()), options(one)).await;
            run(&name("extreme"), &some(cases::extreme(Inputs::FINITE)), options(other)).await;
        }
    }

    #[wasm_bindgen_test]
    async fn matmul() {
        for tiling in [Tiling::Large, Tiling::Small] {
            run(&format!("gpu matmul, {tiling:?}"), &cases::matmul(), Options { tiling, ..Options::default() }).await;
        }
    }

    #[wasm_bindgen_test]
    async fn matmul_cramped() {
        run("gpu matmul, cramped", &cases::matmul(), cramped()).await;
    }

    #[wasm_bindgen_test]
    async fn extreme_activations() {
        // WGSL may take it that there are neither NaN nor infinities
        run("gpu extreme", &cases::extreme(Inputs::FINITE), Options::default()).await;
    }

    #[wasm_bindgen_test]
    async fn integers_of_long_rows() {
        let device = device(Options::default()).await;
        report("gpu integers", 3, integers::run(32767, || Gpu::on(device.clone())).await);
    }

    #[wasm_bindgen_test]
    async fn embed() {
        run("gpu embed", &cases::embed(), Options::default()).await;
    }

    #[wasm_bindgen_test]
    async fn embed_cramped() {
        run("gpu embed, cramped", &cases::embed(), cramped()).await;
    }

    #[wasm_bindgen_test]
    async fn stacks() {
        for tiling in [Tiling::Auto, Tiling::Split] {
            run("gpu stacks", &cases::stacks(), Options { tiling, ..Options::default() }).await;
        }
    }

    #[wasm_bindgen_test]
    async fn elements() {
        run("gpu elements", &cases::elements(), Options::default()).await;
    }

    #[wasm_bindgen_test]
    async fn every_variant_compiles() {
        let device = device(Options { default_limits: true, ..Options::default() }).await;
        let count = device.compile_every_variant().await.expect("a pipeline of each");
        console_log!("{count} variants");
        assert!(count >= 370);
    }

    #[wasm_bindgen_test]
    async fn random_sizes() {
        run("gpu random sizes", &cases::random(1), Options::default()).await;
    }

    #[wasm_bindgen_test]
    async fn elements_cramped() {
        run("gpu elements, cramped", &cases::elements(), cramped()).await;
    }

    #[wasm_bindgen_test]
    async fn attention() {
        // each type in one of the two, since emulations take minutes; natively each is in both, and the models have f32
        let without = || Options { subgroups: false, ..Options::default() };
        run("gpu attention, f16", &cases::attention(KvType::F16), Options::default()).await;
        let divided = Options { attention_groups: Some(64), ..Options::default() };
        run("gpu attend, q8_0", &cases::attend(KvType::Q8_0), divided).await;
        if device(Options::default()).await.extensions().subgroups {
            run("gpu attend, f16, without subgroups", &cases::attend(KvType::F16), without()).await;
        }
    }

    #[wasm_bindgen_test]
    async fn experts() {
        run("gpu experts", &cases::experts(), Options::default()).await;
    }

    /// As `simd::sabotaged`.
    #[wasm_bindgen_test]
    #[ignore = "fails on purpose"]
    async fn sabotaged() {
        run("sabotaged", &cases::sabotaged(), Options::default()).await;
    }
}
