//! What a device is measured with before a model is given to it. How fast it is does not matter here.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use pagelm::engine::{Calibrated, EngineLoader, LoadOptions, Work, calibrate, cpu_speed};
use pagelm::kernels::gpu::{Counters, Device, Gpu, Options};
use pagelm::kernels::reference::Reference;
use pagelm::quant::TensorType;
use pollster::block_on;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

fn work(ty: &str, width: usize, hidden: usize) -> Work {
    Work { ty: TensorType::from_name(ty).unwrap(), width, hidden }
}

fn measured(device: &Rc<Device>, work: Work) -> (Option<Calibrated>, Counters) {
    let before = device.buffer_bytes();
    let found = block_on(calibrate(device, work)).unwrap();
    assert_eq!(device.buffer_bytes(), before, "a buffer is left");
    found
}

#[test]
fn a_device_is_measured_and_tuned() {
    let Some(device) = device::device(Options::default()) else { return };
    for work in [work("Q4_1", 576, 1536), work("F16", 64, 128), work("Q4_K", 4096, 11008)] {
        let begun = Instant::now();
        let (found, counters) = measured(&device, work);
        let ms = begun.elapsed().as_millis();
        let found = found.unwrap();
        assert!(found.speed.is_finite() && found.speed > 0.0, "{work:?}: {found:?}");
        println!("{work:?}: {found:?}, {ms} ms, {} submits, {} dispatches", counters.submits, counters.dispatches);
        assert!(counters.dispatches >= 2 * 2, "{counters:?}");
        assert!(counters.submits < 1000 && counters.dispatches < 20_000, "{counters:?}");
    }
}

#[test]
fn a_slow_device_is_measured_once() {
    // every look at the clock is 100 ms later: nothing is told at once, and nothing can be measured
    fn late() -> f64 {
        static TICKS: AtomicU32 = AtomicU32::new(0);
        f64::from(100 * TICKS.fetch_add(1, Relaxed))
    }
    let Some(device) = device::device(Options { clock: late, ..Options::default() }) else { return };
    let (found, counters) = measured(&device, work("Q4_0", 256, 512));
    assert_eq!(found, None);
    assert_eq!(counters.dispatches, 0);

    // so far it is fast, then slow: a chain of one pair is enough to know
    fn slow() -> f64 {
        static TICKS: AtomicU32 = AtomicU32::new(0);
        let ticks = TICKS.fetch_add(1, Relaxed);
        if ticks < 6 { f64::from(ticks) } else { f64::from(50 * ticks) }
    }
    let Some(device) = device::device(Options { clock: slow, submit_ms: f64::INFINITY, ..Options::default() }) else {
        return;
    };
    let (found, counters) = measured(&device, work("Q4_0", 256, 512));
    assert!(found.unwrap().split, "the first");
    assert_eq!(counters.dispatches, 2 * 2, "a pair, twice");
}

/// However slowly a device answers, measuring it ends.
#[test]
fn a_measurement_takes_no_longer_than_it_may() {
    // hundredths of a millisecond, and how many of them pass until the clock is looked at again
    static TIME: AtomicU32 = AtomicU32::new(0);
    static STEP: AtomicU32 = AtomicU32::new(0);
    fn clock() -> f64 {
        f64::from(TIME.fetch_add(STEP.load(Relaxed), Relaxed)) / 100.0
    }
    let options = Options { clock, submit_ms: f64::INFINITY, ..Options::default() };
    let Some(device) = device::device(options) else { return };
    let mut slow = 0;
    for step in [1, 5, 10, 20, 50, 100, 200, 300, 400, 700] {
        STEP.store(step, Relaxed);
        let before = TIME.load(Relaxed);
        let (found, counters) = measured(&device, work("Q4_0", 256, 512));
        let ms = (TIME.load(Relaxed) - before) / 100;
        println!("{step}: {ms} ms, {} dispatches, {found:?}", counters.dispatches);
        assert!(found.is_some() && ms < 150, "{step}: {ms} ms");
        slow += u32::from(counters.dispatches == 2 * 2);
    }
    assert!((1..10).contains(&slow), "{slow} were too slow for more than a pair");
}

/// A hostile header makes no hostile measurement.
#[test]
fn what_is_measured_has_a_limit() {
    let Some(device) = device::device(Options::default()) else { return };
    for path in ["llama-bpe-q4_0-ropefreqs-tied", "llama-bpe-q5_0-experts", "lfm2-q8_0"] {
        let bytes =
            std::fs::read(format!("{}/tests/goldens/tiny/{path}/model.gguf", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut loader = EngineLoader::<Gpu>::new(bytes.len() as u64, LoadOptions::default());
        assert!(loader.push(&bytes).unwrap());
        let work = loader.work().unwrap().unwrap();
        assert!(work.width >= 32 && work.hidden >= 32, "{work:?}");
        measured(&device, work).0.unwrap();
    }
}

#[test]
fn the_cpu_is_measured() {
    fn clock() -> f64 {
        static TICKS: AtomicU32 = AtomicU32::new(0);
        f64::from(6 * TICKS.fetch_add(1, Relaxed))
    }
    let speed = cpu_speed(&mut Reference::new(), work("Q4_0", 256, 512), clock).unwrap();
    assert!(speed.is_finite() && speed > 0.0);
}
