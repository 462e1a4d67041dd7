//! Whether a model fits this device, from its header: what each backend needs, what there is, and what would help.

use super::advice::{Help, advice};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::Header;
use crate::kernels::KvType;
use crate::kernels::footprint::{BufferLimits, Footprint, Size};
use crate::model::{Config, Needs};
use serde::Serialize;

/// What 32-bit WebAssembly can address: 65,536 pages of 64 KiB.
pub const HEAP_LIMIT: u64 = 1 << 32;
/// The most that one allocation takes there: what a 32-bit `isize` counts.
pub const ALLOCATION_LIMIT: u64 = (1 << 31) - 1;

/// Heap that a tokenizer takes, by byte of the file's header, which is mostly vocabulary.
const TOKENIZER_PER_HEADER_BYTE: u64 = 2;
/// Heap that is given back once the header is read, but not always used again: what was held of the file, and the metadata.
const LEFT_PER_HEADER_BYTE: u64 = 2;
/// A piece of a file, as JavaScript hands them over.
const PIECE: u64 = 4 << 20;

/// What is known of the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Bytes of WebAssembly's memory before anything is loaded.
    pub heap: u64,
    /// Of the WebGPU adapter, if there is one.
    pub gpu: Option<BufferLimits>,
}

/// Bytes that a backend needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Weights as packed.
    pub weights: u64,
    /// Keys and values: of the whole context, or as much of it as windows need.
    pub cache: u64,
    /// Activations, logits and the tables of rotary angles.
    pub activations: u64,
    /// The engine, the tokenizer and what is on its way: always in WebAssembly's memory.
    pub overhead: u64,
    /// WebAssembly's memory at its largest.
    pub heap: u64,
    /// GPU buffers; 0 on the CPU.
    pub gpu: u64,
}

/// What there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// For WebAssembly's memory.
    pub heap: u64,
    /// For one allocation or one GPU buffer.
    pub allocation: u64,
}

/// One backend's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Nothing that is known is in the way. What a GPU has in all nobody tells; it is asked when the model is loaded.
    pub fits: bool,
    /// Which type keys and values would have; none when the one that was asked for is not there.
    pub kv_cache_type: Option<KvType>,
    /// What it needs at the context asked for.
    pub needs: Bytes,
    /// What there is.
    pub have: Limits,
    /// The longest context with which it fits; none when no context does.
    pub max_context_length: Option<usize>,
    /// Why it does not fit, and what would help; a whole sentence.
    pub problem: Option<String>,
    /// [`ErrorKind::code`] of the error that loading would fail with.
    pub code: Option<&'static str>,
}

/// What each backend says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fits {
    /// The CPU.
    pub cpu: Fit,
    /// WebGPU, if there is an adapter.
    pub webgpu: Option<Fit>,
}

/// A model and the context asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) header: &'a Header,
    pub(super) config: &'a Config,
    pub(super) context: usize,
    /// What was asked for.
    pub(super) kv: Option<KvType>,
    pub(super) file_bytes: u64,
}

impl Wanted<'_> {
    fn parameters(&self) -> u64 {
        self.header.tensors.iter().map(|t| t.len()).fold(0, u64::saturating_add).max(1)
    }

    /// Bits a weight in the file.
    pub(super) fn bits(&self) -> f64 {
        self.file_bytes as f64 * 8.0 / self.parameters() as f64
    }

    /// Bits a weight of a file whose weights, packed as these are, would take `budget` bytes.
    pub(super) fn bits_within(&self, budget: u64, weights: u64) -> f64 {
        self.bits() * budget as f64 / weights.max(1) as f64
    }
}

/// Which memory the model itself lies in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Heap,
    Gpu,
}

/// A backend's needs as a function of the context.
pub(super) struct Estimate {
    pub(super) place: Place,
    pub(super) base: u64,
    pub(super) have: Limits,
    pub(super) kv: KvType,
    pub(super) needs: Needs,
}

impl Estimate {
    pub(super) fn bytes(&self) -> Bytes {
        let Needs { weights, cache, work } = self.needs;
        let all = self.needs.all().total;
        // the tables of angles are made before they are handed over
        let (heap, gpu) = match self.place {
            Place::Heap => (self.base.saturating_add(all), 0),
            Place::Gpu => (self.base.saturating_add(work.largest), all),
        };
        Bytes { weights: weights.total, cache: cache.total, activations: work.total, overhead: self.base, heap, gpu }
    }

    pub(super) fn largest(&self) -> u64 {
        self.needs.all().largest
    }

    pub(super) fn fits(&self) -> bool {
        self.bytes().heap <= self.have.heap && self.largest() <= self.have.allocation
    }

    fn at(&self, wanted: Wanted<'_>, context: usize, on: &impl Footprint) -> Self {
        Self { needs: self.needs.with_context(wanted.config, context, self.kv, on), ..*self }
    }

    /// The largest other type of keys and values that fits where this one does not.
    fn smaller_kv(&self, wanted: Wanted<'_>, on: &impl Footprint) -> Option<KvType> {
        let others = on.kv_types().iter().filter(|&&kv| kv != self.kv && !self.fits());
        let estimates = others.map(|&kv| Self { kv, ..*self }.at(wanted, wanted.context, on));
        estimates.filter(Self::fits).max_by_key(|other| other.needs.cache.total).map(|other| other.kv)
    }

    /// The longest context that fits, by bisection: needs grow with it.
    fn max_context(&self, wanted: Wanted<'_>, on: &impl Footprint) -> Option<usize> {
        let fits = |context| self.at(wanted, context, on).fits();
        let (mut good, mut bad) = (0, wanted.config.context.saturating_add(1));
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if fits(middle) { good = middle } else { bad = middle }
        }
        Some(good).filter(|&context| context > 0)
    }
}

/// What a backend was found to need, or why it cannot run the model at all, and what would fit.
struct Found {
    estimate: Result<Estimate>,
    have: Limits,
    /// The longest context.
    most: Option<usize>,
    /// Another type of keys and values, at the context asked for.
    kv: Option<KvType>,
}

/// Heap beside the model itself: a rule of thumb. Measured in `tests/bench/RESULTS.md`.
fn overhead(wanted: Wanted<'_>, room: Room) -> u64 {
    let per_byte = TOKENIZER_PER_HEADER_BYTE + LEFT_PER_HEADER_BYTE;
    let header = wanted.header.data_offset.saturating_mul(per_byte);
    room.heap.saturating_add(header).saturating_add(PIECE.min(wanted.file_bytes))
}

fn estimate(wanted: Wanted<'_>, place: Place, room: Room, allocation: u64, on: &mut impl Footprint) -> Found {
    let have = Limits { heap: HEAP_LIMIT, allocation };
    let base = overhead(wanted, room);
    let estimate = KvType::choose(wanted.kv, on.kv_types()).and_then(|kv| {
        let needs = Needs::of(wanted.header, wanted.config, wanted.context, kv, on)?;
        Ok(Estimate { place, base, have, kv, needs })
    });
    let found = estimate.as_ref().ok();
    let most = found.and_then(|estimate| estimate.max_context(wanted, on));
    let kv = found.and_then(|estimate| estimate.smaller_kv(wanted, on));
    Found { estimate, have, most, kv }
}

fn fit(wanted: Wanted<'_>, found: &Found, other: Option<&Found>) -> Fit {
    let Found { estimate, have, most, kv } = found;
    let refused = |e: &Error, needs| Fit {
        fits: false,
        kv_cache_type: estimate.as_ref().ok().map(|estimate| estimate.kv),
        needs,
        have: *have,
        max_context_length: *most,
        problem: Some(e.detail().to_owned()),
        code: Some(e.kind().code()),
    };
    match estimate {
        Err(e) => refused(e, Bytes::default()),
        Ok(estimate) if estimate.fits() => Fit {
            fits: true,
            kv_cache_type: Some(estimate.kv),
            needs: estimate.bytes(),
            have: *have,
            max_context_length: *most,
            problem: None,
            code: None,
        },
        Ok(estimate) => {
            let other_fits = matches!(other, Some(Found { estimate: Ok(other), .. }) if other.fits());
            let detail = advice(wanted, estimate, Help { most: *most, kv: *kv, other_fits });
            refused(&Error::new(ErrorKind::OutOfMemory, detail), estimate.bytes())
        }
    }
}

/// What the CPU, whose memory `cpu` counts, and the GPU of `room` say.
///
/// # Errors
/// Those of a header whose tensors are not those of its architecture: they are no matter of memory.
pub(super) fn fits(wanted: Wanted<'_>, room: Room, cpu: &mut impl Footprint) -> Result<Fits> {
    let cpu = estimate(wanted, Place::Heap, room, ALLOCATION_LIMIT, cpu);
    if let Err(e) = &cpu.estimate
        && !matches!(e.kind(), ErrorKind::UnsupportedType | ErrorKind::UnsupportedOption)
    {
        return Err(Error::new(e.kind(), e.detail()));
    }
    let gpu = room.gpu.and_then(|limits| on_gpu(wanted, room, limits));
    Ok(Fits { cpu: fit(wanted, &cpu, gpu.as_ref()), webgpu: gpu.as_ref().map(|gpu| fit(wanted, gpu, Some(&cpu))) })
}

#[cfg(feature = "gpu")]
fn on_gpu(wanted: Wanted<'_>, room: Room, limits: BufferLimits) -> Option<Found> {
    let mut on = crate::kernels::gpu::GpuFootprint::new(limits);
    Some(estimate(wanted, Place::Gpu, room, limits.bindable(), &mut on))
}

#[cfg(not(feature = "gpu"))]
fn on_gpu(_: Wanted<'_>, _: Room, _: BufferLimits) -> Option<Found> {
    None
}

/// Bytes for people: millions, with one digit behind the point below ten.
pub(super) fn megabytes(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    if mb < 10.0 { format!("{mb:.1} MB") } else { format!("{mb:.0} MB") }
}

/// `Size` for people.
pub(super) fn list(parts: &[(&str, Size)]) -> String {
    parts.iter().map(|(name, size)| format!("{name} {}", megabytes(size.total))).collect::<Vec<_>>().join(", ")
}
