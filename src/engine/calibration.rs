//! How fast a device multiplies, before a model is given to it: a chain of products like those of a model's feed-forward, of one
//! row, as in decoding. A chain of many shows what a dispatch costs as well as how fast weights are read.
//!
//! Weights are counted in the file's bytes, so that backends can be compared which pack them in different ways.

use super::self_test::blocks;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::kernels::gpu::{Counters, Device, Gpu, Precision};
use crate::kernels::{Backend, BufferId, Head, MatrixId, PassKey, Step};
use crate::quant::TensorType;
use crate::sampling::SplitMix64;
#[cfg(feature = "gpu")]
use std::rc::Rc;

/// The widest rows that are measured: wider ones are as fast.
const MAX_WIDTH: usize = 16 << 10;
/// Of one matrix at most: every device binds that, and has room for a few.
const MATRIX_BYTES: u64 = 16 << 20;
/// More would only cost time.
const MAX_PAIRS: usize = 32;
/// Bytes of a chain on the CPU: more would take long to pack. Large caches hold them, so what is measured is what a core multiplies at
/// most; `pkg/src/tunings.ts` does not take memory to be as fast.
const CPU_BYTES: u64 = 8 << 20;
/// Milliseconds of a round on the CPU: some browsers' clocks tick once a millisecond.
const ROUND_MS: f64 = 5.0;
/// Milliseconds that anything takes: clocks are coarse.
const LEAST_MS: f64 = 0.05;
/// Passes of a round at most, whatever the clock says.
const ROUND_PASSES: u32 = 1 << 12;
/// Milliseconds that the CPU is measured for. The first rounds run in the browser's first compiler, so the fastest counts.
const CPU_MS: f64 = 40.0;

/// What is measured: matrices like those of a model's feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// The type of most weights.
    pub ty: TensorType,
    /// Width of the stream.
    pub width: usize,
    /// Width of the inside, or less.
    pub hidden: usize,
}

impl Work {
    /// Rows as long as those of a model, or as short as they are measured; of whole blocks: a file may store some in another type
    /// because they are not.
    pub fn new(ty: TensorType, width: usize, hidden: usize) -> Self {
        let whole = |len: usize| (len / ty.block_len * ty.block_len).max(ty.block_len);
        let width = whole(width.min(MAX_WIDTH));
        let rows = MATRIX_BYTES / ty.bytes_of(width as u64).unwrap_or(MATRIX_BYTES).max(1);
        Self { ty, width, hidden: whole(hidden.min(rows as usize)) }
    }

    /// Of two matrices.
    fn pair_bytes(self) -> u64 {
        2 * self.ty.bytes_of((self.width * self.hidden) as u64).unwrap_or(0)
    }
}

/// Pairs of matrices, from the stream to the inside and back.
struct Chain {
    /// Of the activations.
    rows: usize,
    pairs: Vec<[MatrixId; 2]>,
    /// Of a pair.
    bytes: u64,
    /// Stream, inside.
    buffers: [BufferId; 2],
}

impl Chain {
    /// Of so many bytes, about, for so many rows at once. The weights are zeros.
    fn new<B: Backend>(b: &mut B, work: Work, bytes: u64, rows: usize) -> Result<Self> {
        let Work { ty, width, hidden } = work;
        let count = (bytes / work.pair_bytes().max(1)).clamp(1, MAX_PAIRS as u64);
        let buffers = [b.create_buffer("stream", rows, width)?, b.create_buffer("inside", rows, hidden)?];
        let mut pair = || {
            Ok([b.create_matrix("up.weight", ty, hidden, width)?, b.create_matrix("down.weight", ty, width, hidden)?])
        };
        let pairs = (0..count).map(|_| pair()).collect::<Result<_>>()?;
        Ok(Self { rows, pairs, bytes: work.pair_bytes(), buffers })
    }

    /// A pass over the first so many pairs.
    fn pass<B: Backend>(&self, b: &mut B, pairs: usize) -> Result<()> {
        let [stream, inside] = self.buffers;
        // nothing leaves: the head only tells a part of the chain from the whole
        let head = if pairs == self.pairs.len() { Head::Last } else { Head::None };
        let (n, tokens) = (self.rows, vec![0; self.rows]);
        b.pass(Step { tokens: &tokens, position: 0 }, PassKey { rows: n, head }, &mut |b| {
            self.pairs.iter().take(pairs).try_for_each(|&[up, down]| {
                b.matmul(n, up, stream, inside)?;
                b.matmul(n, down, inside, stream)
            })
        })
    }
}

/// Bytes of weights a millisecond on a CPU backend, which is of no more use then.
///
/// # Errors
/// Those of the backend.
pub fn cpu_speed<B: Backend>(b: &mut B, work: Work, clock: fn() -> f64) -> Result<f64> {
    let chain = Chain::new(b, work, CPU_BYTES, 1)?;
    let mut random = SplitMix64::new(1);
    for (matrix, rows, cols) in
        chain.pairs.iter().flat_map(|&[up, down]| [(up, work.hidden, work.width), (down, work.width, work.hidden)])
    {
        // memory that was never written to is one page, which a cache holds
        let panel = blocks(work.ty, B::PANEL_ROWS * cols, &mut random)?;
        let row_bytes = panel.len() / B::PANEL_ROWS;
        for first in (0..rows).step_by(B::PANEL_ROWS) {
            b.write_rows(matrix, first, &panel[..row_bytes * (rows - first).min(B::PANEL_ROWS)])?;
        }
    }
    let pairs = chain.pairs.len();
    let (begun, mut passes, mut best) = (clock(), 1u32, f64::INFINITY);
    while best.is_infinite() || clock() - begun < CPU_MS {
        let start = clock();
        (0..passes).try_for_each(|_| chain.pass(b, pairs))?;
        let ms = clock() - start;
        if ms < ROUND_MS && passes < ROUND_PASSES {
            passes *= 2;
        } else {
            best = best.min(ms.max(LEAST_MS) / f64::from(passes));
        }
    }
    Ok((chain.bytes * pairs as u64) as f64 / best)
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;

    /// Bytes of a chain on the GPU.
    const GPU_BYTES: u64 = 32 << 20;
    /// Milliseconds after which a browser tells of the end of nothing at most; else it cannot be measured.
    const TOLD_LATE: f64 = 20.0;
    /// Milliseconds in all: nothing is begun that is estimated to end later, and what was measured until then is the measurement.
    const TUNING_MS: f64 = 90.0;
    /// Of these, for how a single row is divided.
    const ROW_MS: f64 = 60.0;
    /// Milliseconds of a measurement.
    const MEASURED_MS: f64 = 15.0;
    /// What is not exact has to be faster by this much.
    const GAIN: f64 = 1.2;
    const MOST_PASSES: f64 = 64.0;
    /// Products of matrices with more rows than the measured are not split below so many rows, whatever was measured.
    const SPLIT_BELOW_ROWS: usize = 4096;

    /// What was measured of a GPU.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Calibrated {
        /// Whether several invocations share a row ([`crate::kernels::gpu::Tiling::Split`]).
        pub split: bool,
        /// What a prompt's blocks are multiplied in.
        pub precision: Precision,
        /// Bytes of weights a millisecond.
        pub speed: f64,
        /// Milliseconds that measuring took, without the first pass of each way and precision.
        pub ms: f64,
        /// Milliseconds of those passes, which compile what the model needs.
        pub compiling: f64,
    }

    impl Work {
        /// Makes a device divide its products in the way that was measured to be faster.
        pub fn apply(self, device: &Device, split: bool) {
            device.split_below(if split { SPLIT_BELOW_ROWS.max(self.hidden + 1) } else { 0 });
        }
    }

    /// Measures each way to divide products on hardware, and each precision that the device has for a prompt's blocks, and makes the device
    /// use the fastest. `None` where a browser tells too
    /// late when work is done. Also what that asked of the device.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn calibrate(device: &Rc<Device>, work: Work) -> Result<(Option<Calibrated>, Counters)> {
        let mut gpu = Gpu::on(device.clone())?;
        let begun = device.now();
        let mut late = f64::INFINITY;
        for _ in 0..2 {
            late = late.min(gpu.timed(|_| Ok(())).await?);
        }
        let (mut best, mut compiling): (Option<Calibrated>, f64) = (None, 0.0);
        let mut is_slow = false;
        for split in [true, false] {
            let left = ROW_MS - (device.now() - begun - compiling);
            // the second way compiles as long as the first
            if late > TOLD_LATE || compiling > left {
                break;
            }
            device.split_below(if split { usize::MAX } else { 0 });
            let mut one = Gpu::on(device.clone())?; // its programs are of one tiling
            // half of the time is the second way's
            let found = measure(&mut one, work, late, if split { left / 2.0 } else { left }).await?;
            gpu.count(one.counters());
            compiling += found.compiling;
            if best.is_none_or(|b| b.speed < found.speed) {
                let precision = device.precision();
                best = Some(Calibrated { split, precision, speed: found.speed, ms: 0.0, compiling: 0.0 });
            }
            is_slow = found.is_slow;
            if is_slow {
                break;
            }
        }
        if let Some(best) = &mut best {
            work.apply(device, best.split);
            if !is_slow {
                let end = begun + compiling + TUNING_MS;
                let found = fastest_precision(&mut gpu, work, late, end).await?;
                best.precision = found.0;
                compiling += found.1;
            }
            (best.ms, best.compiling) = (device.now() - begun - compiling, compiling);
        }
        Ok((best, gpu.counters()))
    }

    /// The precision in which a block of rows is multiplied fastest, of those that the device has, in use from now on; and the
    /// milliseconds of the passes that compile. `end` is later by these.
    async fn fastest_precision(gpu: &mut Gpu, work: Work, late: f64, end: f64) -> Result<(Precision, f64)> {
        let device = gpu.device().clone();
        let (mut best, mut compiling) = ((device.precision(), f64::INFINITY), 0.0);
        for precision in Precision::ALL.into_iter().filter(|&p| device.extensions().allow(p)) {
            device.set_precision(precision)?;
            if device.precision() != precision {
                break; // the options say in what
            }
            let mut one = Gpu::on(device.clone())?;
            let rows = one.max_rows();
            let chain = Chain::new(&mut one, work, 0, rows)?;
            compiling += one.timed(|gpu| chain.pass(gpu, 1)).await?;
            let left = || end + compiling - device.now();
            // the next one may take as long to compile
            if compiling > left() {
                break;
            }
            let once = net(one.timed(|gpu| chain.pass(gpu, 1)).await?, late);
            let passes = (MEASURED_MS / once).ceil().min(((left() - late) / 3.0 / once).floor()).min(MOST_PASSES);
            let mut ms = once;
            if passes > 1.0 {
                let all = one.timed(|gpu| (0..passes as u32).try_for_each(|_| chain.pass(gpu, 1))).await?;
                ms = net(all, late) / passes;
            }
            gpu.count(one.counters());
            let gain = if best.1.is_finite() { GAIN } else { 1.0 };
            if ms * gain < best.1 {
                best = (precision, ms);
            }
        }
        device.set_precision(best.0)?;
        device.forget_other_precisions();
        Ok((best.0, compiling))
    }

    /// Milliseconds without those that it takes to be told of the end.
    fn net(ms: f64, late: f64) -> f64 {
        (ms - late).max(LEAST_MS)
    }

    /// What was measured of one way.
    struct Found {
        /// Bytes of weights a millisecond.
        speed: f64,
        /// Whether a pair of matrices was all that there was time for.
        is_slow: bool,
        /// Milliseconds of the pass that compiles.
        compiling: f64,
    }

    /// In at most `ms`, but for compiling. `late`: when the end of nothing is told.
    async fn measure(gpu: &mut Gpu, work: Work, late: f64, ms: f64) -> Result<Found> {
        let device = gpu.device().clone();
        let end = device.now() + ms;
        let chain = Chain::new(gpu, work, GPU_BYTES, 1)?;
        let all = chain.pairs.len();
        let net = |ms| net(ms, late);
        // the first pass compiles, and memory is cleared when it is first used
        let compiling = gpu.timed(|gpu| chain.pass(gpu, 1)).await?;
        let one = net(gpu.timed(|gpu| chain.pass(gpu, 1)).await?);
        // one that clears memory, and one that counts
        if 2.0 * (one * all as f64 + late) > end - device.now() {
            return Ok(Found { speed: chain.bytes as f64 / one, is_slow: true, compiling });
        }
        gpu.timed(|gpu| chain.pass(gpu, all)).await?;
        let once = net(gpu.timed(|gpu| chain.pass(gpu, all)).await?);
        let mut speed = (chain.bytes * all as u64) as f64 / once;
        let passes = (MEASURED_MS / once).ceil().min(((end - device.now() - late) / once).floor()).min(MOST_PASSES);
        if passes > 1.0 {
            let ms = net(gpu.timed(|gpu| (0..passes as u32).try_for_each(|_| chain.pass(gpu, all))).await?);
            speed *= once * passes / ms;
        }
        Ok(Found { speed, is_slow: false, compiling })
    }
}
#[cfg(feature = "gpu")]
pub use gpu::{Calibrated, calibrate};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference::Reference;

    fn work(ty: &str, width: usize, hidden: usize) -> Work {
        Work { ty: TensorType::from_name(ty).unwrap(), width, hidden }
    }

    #[test]
    fn no_header_makes_it_large() {
        for info in crate::quant::TYPES {
            let ty = TensorType::from_id(info.id).unwrap();
            for (width, hidden) in [(0, 0), (64, 1), (576, 1536), (4096, 11008), (1 << 17, 1 << 17), (1, 1 << 17)] {
                let work = Work::new(ty, width, hidden);
                let is_whole = |len: usize| len > 0 && len.is_multiple_of(ty.block_len);
                assert!(is_whole(work.width) && is_whole(work.hidden), "{work:?}");
                assert!((1..=2 * MATRIX_BYTES).contains(&work.pair_bytes()), "{work:?}");
            }
        }
        assert_eq!(work("Q4_1", 576, 1536), Work::new(TensorType::from_name("Q4_1").unwrap(), 576, 1536));
    }

    #[test]
    fn a_cpu_is_measured_with_every_type() {
        // a clock that ticks 6 ms each time it is looked at
        fn clock() -> f64 {
            use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
            static TICKS: AtomicU32 = AtomicU32::new(0);
            f64::from(6 * TICKS.fetch_add(1, Relaxed))
        }
        for info in crate::quant::TYPES {
            let speed = cpu_speed(&mut Reference::new(), work(info.name, 256, 512), clock);
            assert!(speed.unwrap() > 0.0, "{}", info.name);
        }
    }
}
