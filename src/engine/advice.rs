//! Why a model does not fit, in words, and what would help.

use super::fit::{Estimate, Place, Wanted, list, megabytes};
use crate::kernels::KvType;
use crate::kernels::footprint::Size;
use crate::model::Needs;

/// Bits a weight of the quantisations that people find, finest first (llama.cpp's `quantize` prints them for Llama 3 8B).
const QUANTISATIONS: &[(&str, f64)] =
    &[("Q8_0", 8.5), ("Q6_K", 6.57), ("Q5_K_M", 5.7), ("Q4_K_M", 4.89), ("Q3_K_M", 4.0), ("Q2_K", 3.16)];

/// A context below this is no help.
const LEAST_CONTEXT: usize = 128;

/// What was found to fit instead.
pub(super) struct Help {
    /// The longest context.
    pub(super) most: Option<usize>,
    /// Another type of keys and values.
    pub(super) kv: Option<KvType>,
    /// The other backend, as things are.
    pub(super) other_fits: bool,
}

/// The sentence of a refusal: need, have, and what would help.
pub(super) fn advice(wanted: Wanted<'_>, estimate: &Estimate, found: Help) -> String {
    let mut help = Vec::new();
    if let Some(context) = found.most.filter(|&c| c >= LEAST_CONTEXT && c < wanted.context) {
        help.push(format!("a contextLength of at most {context}"));
    }
    if let Some(kv) = found.kv {
        help.push(format!("kvCacheType '{}'", kv.name()));
    }
    if found.other_fits {
        help.push(format!("the backend '{}'", if estimate.place == Place::Heap { "webgpu" } else { "cpu" }));
    }
    if let Some(name) = smaller(wanted, estimate) {
        help.push(format!("a file of fewer bits a weight, such as {name}"));
    }
    let help = match help.split_last() {
        None => "a smaller model would fit".to_owned(),
        Some((only, [])) => format!("it would fit with {only}"),
        Some((last, others)) => format!("it would fit with {} or {last}", others.join(", ")),
    };
    format!("{}; {help}", reason(wanted, estimate))
}

/// What is needed and what there is.
fn reason(wanted: Wanted<'_>, estimate: &Estimate) -> String {
    let (bytes, have) = (estimate.bytes(), estimate.have);
    if bytes.heap > have.heap {
        let Needs { weights, cache, work } = estimate.needs;
        let rest = Size::one(bytes.overhead);
        let cached = format!("cache for {} tokens", wanted.context);
        let parts = match estimate.place {
            Place::Heap => list(&[("weights", weights), (&cached, cache), ("work space", work), ("the rest", rest)]),
            Place::Gpu => list(&[("work space", work), ("the rest", rest)]),
        };
        let (need, have) = (megabytes(bytes.heap), megabytes(have.heap));
        return format!("the model needs {need} of WebAssembly memory ({parts}), and there are {have}");
    }
    let (need, have) = (megabytes(estimate.largest()), megabytes(have.allocation));
    match estimate.place {
        Place::Heap => format!("the model needs {need} in one piece, and WebAssembly allocates at most {have}"),
        Place::Gpu => format!(
            "the model needs {need} in one GPU buffer at a context of {} tokens, and this adapter binds at most {have}",
            wanted.context
        ),
    }
}

/// The finest quantisation that would fit in this memory and is coarser than the file's.
fn smaller(wanted: Wanted<'_>, estimate: &Estimate) -> Option<&'static str> {
    let bytes = estimate.bytes();
    if bytes.heap <= estimate.have.heap || estimate.place == Place::Gpu {
        return None; // a buffer of the cache or of logits does not depend on it
    }
    let budget = estimate.have.heap.checked_sub(bytes.heap - bytes.weights)?;
    let bits = wanted.bits_within(budget, bytes.weights);
    QUANTISATIONS.iter().find(|(_, q)| *q <= bits && *q < wanted.bits()).map(|(name, _)| *name)
}
