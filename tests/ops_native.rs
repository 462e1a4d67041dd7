//! The case table on the WGSL backend over Vulkan, against the reference; and what only that backend promises.
//!
//! Without an adapter these tests fail; `PAGELM_ALLOW_NO_GPU=1` turns that into a printed skip.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;
mod measured;
mod ops;

use std::rc::Rc;

use device::device;
use measured::{Kind, Measured};
use ops::{Case, Inputs, arithmetic_of, cases, integers, run_all, types};
use pagelm::kernels::gpu::{Device, Extensions, Gpu, Options, Precision, Tiling};
use pagelm::kernels::reference::Reference;
use pagelm::kernels::{Backend, CacheShape, Head, KvType, PassKey, Step};
use pagelm::quant::TYPES;
use pagelm::{ErrorKind, Result};
use pollster::block_on;

/// Of a device that is not slow, whatever else this machine does.
fn not_slow() -> Options {
    Options { submit_ms: f64::INFINITY, ..Options::default() }
}

fn run(test: &str, cases: &[Case], options: Options) {
    let Some(device) = device(options) else { return };
    let arithmetic = arithmetic_of(device.precision());
    let outcome = block_on(run_all(cases, arithmetic, || Ok(Reference::new()), || Gpu::on(device.clone())));
    match outcome {
        Ok(found) => {
            println!("{} cases, {:?}", cases.len(), found.all);
            if device.precision() != Precision::F32 {
                return; // the table is of what is computed without being asked for
            }
            let mut measured = Measured::of(Kind::Type, "WGSL native");
            for ((name, what), compared) in found.types {
                measured.add(name, what, compared.worst.into(), compared.values);
            }
            measured.write(&format!("ops-{test}"));
        }
        Err(why) => panic!("{why}"),
    }
}

/// WebGPU's default limits, one panel a chunk, and grids that wrap after two workgroups.
fn cramped() -> Options {
    Options { chunk_bytes: 1, max_grid: 2, default_limits: true, tiling: Tiling::Split, ..Options::default() }
}

#[test]
fn matmul() {
    for tiling in [Tiling::Large, Tiling::Small] {
        run(&format!("matmul-{tiling:?}"), &cases::matmul(), Options { tiling, ..Options::default() });
    }
}

/// What is not in core WGSL: the driver of these tests has all of it.
const NARROW: [Precision; 2] = [Precision::F16, Precision::Int8];

#[test]
fn narrow_products() {
    for precision in NARROW {
        for tiling in [Tiling::Large, Tiling::Small] {
            let options = || Options { tiling, precision: Some(precision), ..Options::default() };
            let name = |what: &str| format!("{what}-{tiling:?}-{}", precision.name());
            run(&name("matmul"), &cases::matmul(), options());
            run(&name("stacks"), &cases::stacks(), options());
            run(&name("extreme"), &cases::extreme(Inputs::FINITE), options());
        }
        run(
            &format!("matmul-cramped-{}", precision.name()),
            &cases::matmul(),
            Options { precision: Some(precision), ..cramped() },
        );
    }
}

#[test]
fn narrow_integers() {
    let Some(device) = device(Options { precision: Some(Precision::Int8), ..Options::default() }) else { return };
    let compared = block_on(integers::run(127, || Gpu::on(device.clone()))).expect("sums of integers");
    println!("{compared:?}");
}

#[test]
fn what_is_not_a_number_stays_none() {
    for precision in NARROW {
        let options = Options { precision: Some(precision), ..Options::default() };
        run(&format!("not-finite-{}", precision.name()), &cases::extreme(Inputs::NOT_FINITE), options);
    }
}

#[test]
fn without_subgroups() {
    let without = || Options { subgroups: false, ..Options::default() };
    let Some(device) = device(without()) else { return };
    assert!(!device.extensions().subgroups);
    run("elements-without", &cases::elements(), without());
    for &kv in Gpu::KV_TYPES {
        run(&format!("attend-without-{}", kv.name()), &cases::attend(kv), without()); // divided as suits the driver
    }
}

/// Or the tests with and without would be the same.
#[test]
fn the_driver_has_everything() {
    let Some(device) = device(Options::default()) else { return };
    assert_eq!(device.extensions(), Extensions { f16: true, int8: true, subgroups: true });
    assert_eq!(device.precision(), Precision::F32, "nothing was measured");
}

#[test]
fn every_variant_compiles() {
    let Some(device) = device(Options { default_limits: true, ..Options::default() }) else { return };
    let count = block_on(device.compile_every_variant()).expect("a pipeline of each");
    println!("{count} variants");
    assert!(count >= 450);
}

/// Other sizes each time: `PAGELM_SEED` has them again.
#[test]
fn random_sizes() {
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    let seed = std::env::var("PAGELM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    println!("PAGELM_SEED={seed}");
    for tiling in [Tiling::Large, Tiling::Small, Tiling::Split] {
        run(&format!("random-{tiling:?}"), &cases::random(seed), Options { tiling, ..Options::default() });
    }
    for (precision, tiling) in NARROW.into_iter().zip([Tiling::Large, Tiling::Small]) {
        let options = Options { tiling, precision: Some(precision), ..Options::default() };
        run(&format!("random-{tiling:?}-{}", precision.name()), &cases::random(seed), options);
    }
}

#[test]
fn matmul_cramped() {
    run("matmul-cramped", &cases::matmul(), cramped());
}

#[test]
fn stacks() {
    for tiling in [Tiling::Large, Tiling::Small, Tiling::Split] {
        run(&format!("stacks-{tiling:?}"), &cases::stacks(), Options { tiling, ..Options::default() });
    }
}

#[test]
fn stacks_cramped() {
    run("stacks-cramped", &cases::stacks(), cramped());
}

#[test]
fn extreme() {
    // WGSL may take it that there are neither NaN nor infinities
    run("extreme", &cases::extreme(Inputs::FINITE), Options::default());
}

#[test]
fn integers_on_the_gpu() {
    let Some(device) = device(Options::default()) else { return };
    let compared = block_on(integers::run(32767, || Gpu::on(device.clone()))).expect("sums of integers");
    println!("{compared:?}");
}

#[test]
fn integers_on_the_reference() {
    block_on(integers::run(32767, || Ok(Reference::new()))).expect("sums of integers");
}

#[test]
fn embed() {
    run("embed", &cases::embed(), Options::default());
}

#[test]
fn embed_cramped() {
    run("embed-cramped", &cases::embed(), cramped());
}

#[test]
fn elements() {
    run("elements", &cases::elements(), Options::default());
}

#[test]
fn elements_cramped() {
    run("elements-cramped", &cases::elements(), cramped());
}

/// A single token's attention is divided as on a large GPU.
fn divided() -> Options {
    Options { attention_groups: Some(64), ..Options::default() }
}

#[test]
fn attention() {
    for &kv in Gpu::KV_TYPES {
        run(&format!("attention-{}", kv.name()), &cases::attention(kv), Options::default());
        run(&format!("attend-{}", kv.name()), &cases::attend(kv), divided());
    }
}

#[test]
fn experts() {
    run("experts", &cases::experts(), Options::default());
}

#[test]
fn experts_cramped() {
    run("experts-cramped", &cases::experts(), cramped());
}

#[test]
fn types_on_the_reference() {
    let mut measured = Measured::of(Kind::Type, "reference");
    for info in TYPES {
        let (embedded, multiplied) = block_on(types::check(Reference::new(), info.id)).expect(info.name);
        measured.add(info.name, "embed", embedded.worst.into(), embedded.values);
        measured.add(info.name, "matmul", multiplied.worst.into(), multiplied.values);
    }
    measured.write("types-reference");
}

#[test]
fn the_harness_goes_red() {
    block_on(ops::goes_red());
}

/// A backend with one f32 matrix (4, 32), a cache of 8 positions and two buffers of 3 rows.
fn small(device: &Rc<Device>) -> (Gpu, impl FnMut(&mut Gpu) -> Result<()> + use<>) {
    let mut gpu = Gpu::on(device.clone()).expect("a backend");
    let w = ops::table(&mut gpu, 32, &ops::data::values(1, 4, 32, 1.0)).expect("a matrix");
    gpu.create_cache(8, &[CacheShape::KeysValues { heads: 1, head_dim: 32, window: None }], KvType::F32)
        .expect("a cache");
    let x = gpu.create_buffer("x", 3, 32).expect("a buffer");
    let y = gpu.create_buffer("y", 3, 4).expect("a buffer");
    let record = move |gpu: &mut Gpu| {
        gpu.embed(2, w, x)?;
        gpu.store_kv(2, 0, x, x)?;
        gpu.matmul(2, w, x, y)
    };
    (gpu, record)
}

const KEY: PassKey = PassKey { rows: 2, head: Head::Last };

#[test]
fn a_pass_is_one_submit_and_is_recorded_once() {
    let Some(device) = device(not_slow()) else { return };
    let (mut gpu, mut record) = small(&device);
    gpu.pass(Step { tokens: &[0, 1], position: 0 }, KEY, &mut record).expect("a pass");
    let before = gpu.counters();
    assert_eq!((before.recorded, before.passes, before.submits, before.dispatches), (1, 1, 1, 3));
    let pipelines = device.pipelines();
    assert_eq!(pipelines, 3, "only what is used is compiled");
    let never = &mut |_: &mut Gpu| panic!("recorded twice");
    gpu.pass(Step { tokens: &[2, 3], position: 2 }, KEY, never).expect("a replay");
    let after = gpu.counters();
    assert_eq!((after.recorded, after.passes, after.submits, after.dispatches), (1, 2, 2, 6));
    // what is read of weights: two rows of the table, and all of it, in panels of 64
    assert_eq!((before.weight_bytes, after.weight_bytes), ((2 + 64) * 32 * 4, 2 * (2 + 64) * 32 * 4));
    assert_eq!(gpu.step_counters(), after.since(&before));
    // a replay writes the position and the tokens, nothing else
    assert_eq!(after.bytes_written - before.bytes_written, 4 + 2 * 4);
    assert_eq!(device.pipelines(), pipelines);
}

#[test]
fn a_greedy_token_is_one_submit_and_eight_bytes() {
    let Some(device) = device(not_slow()) else { return };
    let (mut gpu, mut record) = small(&device);
    let y = gpu.create_buffer("logits", 1, 32).expect("a buffer");
    assert_eq!(block_on(gpu.read_found()).map_err(|e| e.kind()), Err(ErrorKind::Internal), "nothing found yet");
    let mut greedy = |gpu: &mut Gpu| {
        record(gpu)?;
        gpu.argmax(y)
    };
    for position in [0, 2] {
        let before = gpu.counters();
        let key = PassKey { rows: 2, head: Head::Argmax };
        gpu.pass(Step { tokens: &[0, 1], position }, key, &mut greedy).expect("a pass");
        assert_eq!(block_on(gpu.read_found()).expect("an argmax"), (0, 0.0));
        let after = gpu.counters();
        assert_eq!((after.passes - before.passes, after.submits - before.submits), (1, 1));
        assert_eq!(after.bytes_read - before.bytes_read, 8);
    }
}

#[test]
fn buffers_are_given_back() {
    let Some(device) = device(Options::default()) else { return };
    for _ in 0..2 {
        let (mut gpu, mut record) = small(&device);
        gpu.pass(Step { tokens: &[0, 1], position: 0 }, KEY, &mut record).expect("a pass");
        let x = gpu.create_buffer("x", 2, 32).expect("a buffer");
        block_on(gpu.read(x, 1)).expect("a small readback");
        block_on(gpu.read(x, 2)).expect("a larger one");
        gpu.create_cache(16, &[CacheShape::KeysValues { heads: 1, head_dim: 32, window: None }], KvType::F32)
            .expect("another cache");
        assert!(device.buffer_bytes() >= gpu.bytes() && gpu.bytes() > 0);
        drop(gpu);
        assert_eq!(device.buffer_bytes(), 0);
    }
}

#[test]
fn the_oldest_programs_are_forgotten() {
    let Some(device) = device(Options::default()) else { return };
    let mut gpu = Gpu::on(device).expect("a backend");
    let x = gpu.create_buffer("x", 20, 32).expect("a buffer");
    let y = gpu.create_buffer("y", 20, 32).expect("a buffer");
    for n in (1..=20).chain([1, 20]) {
        let key = PassKey { rows: n, head: Head::None };
        let tokens = ops::ids(0, n);
        gpu.pass(Step { tokens: &tokens, position: 0 }, key, &mut |gpu| gpu.add(n, x, y)).expect("a pass");
    }
    // 1 to 20, then 1 again, which was dropped; 20 was kept
    assert_eq!(gpu.counters().recorded, 21);
}

#[test]
fn steps_outside_a_table_are_refused() {
    let Some(device) = device(Options::default()) else { return };
    let (mut gpu, mut record) = small(&device);
    let mut kind =
        |tokens: &[u32], position| gpu.pass(Step { tokens, position }, KEY, &mut record).map_err(|e| e.kind());
    assert_eq!(kind(&[0, 3], 6), Ok(()));
    assert_eq!(kind(&[0, 4], 0), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(&[0, 3], 7), Err(ErrorKind::ContextOverflow));
    assert_eq!(kind(&[0, 3], usize::MAX), Err(ErrorKind::ContextOverflow));
    assert_eq!(kind(&[0], 0), Err(ErrorKind::Internal));
    assert_eq!(gpu.counters().passes, 1);
}

#[test]
fn mistakes_are_errors() {
    let Some(device) = device(Options { default_limits: true, ..Options::default() }) else { return };
    let mut gpu = Gpu::on(device).expect("a backend");
    let x = gpu.create_buffer("x", 2, 32).expect("a buffer");
    let y = gpu.create_buffer("y", 2, 33).expect("a buffer");
    let mut kind = |op: &mut dyn FnMut(&mut Gpu) -> Result<()>| {
        let key = PassKey { rows: 1, head: Head::None };
        gpu.pass(Step { tokens: &[0], position: 0 }, key, op).map_err(|e| e.kind())
    };
    assert_eq!(kind(&mut |gpu| gpu.add(1, x, x)), Err(ErrorKind::Internal), "aliases");
    assert_eq!(kind(&mut |gpu| gpu.add(1, x, y)), Err(ErrorKind::Internal), "widths");
    assert_eq!(kind(&mut |gpu| gpu.add(3, x, x)), Err(ErrorKind::Internal), "rows");
    assert_eq!(kind(&mut |gpu| gpu.store_kv(1, 0, x, x)), Err(ErrorKind::Internal), "no cache");
    assert_eq!(gpu.add(1, x, y).map_err(|e| e.kind()), Err(ErrorKind::Internal), "outside a pass");
    // above the default limit of one binding, 128 MiB
    let large = gpu.create_buffer("large", 1 << 20, 1 << 10).map_err(|e| e.kind());
    assert_eq!(large, Err(ErrorKind::OutOfMemory));
    assert!(block_on(Gpu::new(Options { max_rows: 0, ..Options::default() })).is_err());
    // none of these broke the device
    assert_eq!(block_on(gpu.read(x, 2)).expect("a readback"), vec![0.0; 64]);
}

#[test]
fn the_adapter_says_what_it_is() {
    let Some(device) = device(Options::default()) else { return };
    let gpu = Gpu::on(device).expect("a backend");
    let info = gpu.adapter_info();
    println!("{info:?}");
    assert!(!info.name.is_empty() && info.backend == "vulkan");
}
