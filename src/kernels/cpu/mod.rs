//! The CPU backend: owns the memory and calls one set of kernels on slices.
//!
//! [`Kernels`] is implemented twice, by [`super::reference`] (scalar, the specification) and `super::simd128`.

mod backend;
mod floats;
mod footprint;
mod output;
pub mod pool;

pub use floats::Floats;
pub use footprint::CpuFootprint;
pub use output::Output;
use pool::Pool;

use super::{Activation, Attention, BufferId, KvType, MatrixId, RopeKind, VectorId};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::footprint::Size;
use crate::quant::TensorType;
use std::ops::Range;

/// One operation a function, on slices whose lengths [`Cpu`] has checked.
pub trait Kernels {
    /// A packed weight matrix.
    type Matrix: Sync;
    /// What `matmul` wants of its input beside the numbers: made once for all matrices that read it.
    type Input: Default + Sync;
    /// Keys and values of a layer.
    type Cache: Sync;
    /// See [`Backend::PANEL_ROWS`].
    const PANEL_ROWS: usize;
    /// See [`Backend::max_rows`].
    const MAX_ROWS: usize;
    /// See [`Backend::KV_TYPES`].
    const KV_TYPES: &'static [KvType];

    /// An empty matrix (rows, cols).
    fn create_matrix(ty: TensorType, rows: usize, cols: usize) -> Result<Self::Matrix>;
    /// Packs whole rows from `first_row` on, with the help of `pool`.
    fn write_rows(matrix: &mut Self::Matrix, first_row: usize, bytes: &[u8], pool: &Pool) -> Result<()>;
    /// (rows, cols).
    fn shape(matrix: &Self::Matrix) -> (usize, usize);
    /// Bytes held.
    fn bytes(matrix: &Self::Matrix) -> u64;
    /// How many panels the rows are packed in: what [`Kernels::matmul`] can be divided by.
    fn panels(matrix: &Self::Matrix) -> usize {
        Self::shape(matrix).0.div_ceil(Self::PANEL_ROWS)
    }

    /// out (cols) = row `token` of the table.
    fn embed(table: &Self::Matrix, token: usize, out: &mut [f32]);
    /// out (width) = x (width) / sqrt(mean(x²) + eps) * weight.
    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);
    /// Empties `input`: what it was prepared from has changed.
    fn forget(input: &mut Self::Input);
    /// Adds to `input` what `w` wants of x (n, cols), unless it is there already, with the help of `pool`.
    fn prepare(w: &Self::Matrix, n: usize, x: &[f32], input: &mut Self::Input, pool: &Pool);
    /// out (n, rows) = x (n, cols) @ Wᵀ in the rows of W that are in `panels`; `input` was prepared from x for `w`. Allocates
    /// nothing and shares nothing: panels may be divided among threads, and any division gives the same bits.
    fn matmul(w: &Self::Matrix, n: usize, x: &[f32], input: &Self::Input, panels: Range<usize>, out: &mut Output<'_>);
    /// Rotates one head by `angles` (dims / 2, 2): cosine, sine.
    fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]);
    /// A cache of `heads` key/value heads of `head_dim` elements with room for `context` positions, in type `kv`, one of
    /// `KV_TYPES`.
    fn create_cache(context: usize, heads: usize, head_dim: usize, kv: KvType) -> Result<Self::Cache>;
    /// What `create_cache` allocates.
    fn cache_size(context: usize, heads: usize, head_dim: usize, kv: KvType) -> Size;
    /// Bytes held.
    fn cache_bytes(cache: &Self::Cache) -> u64;
    /// How many positions there is something stored at.
    fn positions(cache: &Self::Cache) -> usize;
    /// Stores k and v (n, heads * head_dim) from `position` on, which is at most `positions`.
    fn store_kv(cache: &mut Self::Cache, position: usize, k: &[f32], v: &[f32]);
    /// out (n, heads * head_dim): causal attention of q (same shape), whose first row is at `position`, over the cache, with the help of
    /// `pool`, whatever the number of whose threads gives the same bits. What it is divided into may be groups of query heads that
    /// share a key/value head: group g is row g % n of key/value head g / n.
    fn attention(q: &[f32], cache: &Self::Cache, position: usize, a: Attention, pool: &Pool, out: &mut [f32]);
    /// Each run of `weight`'s length in x, in place, divided by sqrt(mean(x²) + eps) and multiplied by `weight`.
    fn norm_heads(x: &mut [f32], weight: &[f32], eps: f32);
    /// gate = activation(gate) * up.
    fn gated(gate: &mut [f32], up: &[f32], activation: Activation);
    /// x += y.
    fn add(x: &mut [f32], y: &[f32]);
    /// x *= factor.
    fn scale(x: &mut [f32], factor: f32);
    /// x = cap * tanh(x / cap).
    fn soft_cap(x: &mut [f32], cap: f32);
    /// out (width) = the convolution's output at the last of `rows` (positions, width); taps (width, count).
    fn short_conv(rows: &[f32], taps: &[f32], out: &mut [f32]);
    /// routes (2 * used) = the indices of the largest of logits (experts), then the softmax over those.
    fn route(logits: &[f32], routes: &mut [f32]);
    /// out (width) = the sum of x (used, width), each by its weight.
    fn mix_experts(x: &[f32], weights: &[f32], out: &mut [f32]);
    /// The index of the largest element, the lowest on a tie; NaN is never the largest.
    fn argmax(x: &[f32]) -> usize;
}

struct Buffer {
    width: usize,
    data: Vec<f32>, // (rows, width)
}

/// What is cached of a layer.
enum LayerCache<C> {
    /// For attention of this shape.
    KeysValues { heads: usize, head_dim: usize, cache: C },
    /// The rows of a short convolution: (positions so far, width), with room for the whole context as [`Floats`] has.
    Rows { width: usize, rows: Vec<f32> },
}

/// A weight matrix, or experts below each other.
struct Stack<M> {
    rows: usize, // of each
    each: Vec<M>,
}

/// A [`Backend`] that runs [`Kernels`] at once, on this thread and those of a pool.
pub struct Cpu<K: Kernels> {
    matrices: Vec<Stack<K::Matrix>>,
    vectors: Vec<Vec<f32>>,
    buffers: Vec<Buffer>,
    layers: Vec<LayerCache<K::Cache>>,
    context: usize,
    tokens: Vec<u32>,
    position: usize,
    input: K::Input,
    /// The buffer and row count that `input` was prepared from, while they are unchanged.
    prepared: Option<(BufferId, usize)>,
    best: (u32, f32),
    pool: Pool,
}

impl<K: Kernels> Default for Cpu<K> {
    fn default() -> Self {
        Self::new()
    }
}

fn mismatch(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{what}: shapes do not match"))
}

fn ensure(ok: bool, what: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(mismatch(what)) }
}

/// A zeroed vector, or `OutOfMemory`: an allocation that fails must not trap. `len` is 64-bit because products of a
/// file's dimensions need not fit the address space.
pub(crate) fn zeroed<T: Clone + Default>(len: u64, what: &str) -> Result<Vec<T>> {
    let mut v = reserved(len, what)?;
    v.resize(len as usize, T::default()); // INVARIANT: `reserved` has seen that it fits a usize
    Ok(v)
}

/// An empty vector with room for `len` elements; errors as in [`zeroed`].
pub(crate) fn reserved<T>(len: u64, what: &str) -> Result<Vec<T>> {
    let mib = len.saturating_mul(size_of::<T>() as u64) >> 20;
    let refused = || {
        Error::new(ErrorKind::OutOfMemory, format!("no room for {mib} MiB of {what}; try a smaller model or context"))
    };
    let len = usize::try_from(len).map_err(|_| refused())?;
    let mut v = Vec::new();
    v.try_reserve_exact(len).map_err(|e| refused().with_source(e))?;
    Ok(v)
}

impl<K: Kernels> Cpu<K> {
    /// A backend without weights.
    pub fn new() -> Self {
        Self {
            matrices: Vec::new(),
            vectors: Vec::new(),
            buffers: Vec::new(),
            layers: Vec::new(),
            context: 0,
            tokens: Vec::new(),
            position: 0,
            input: K::Input::default(),
            prepared: None,
            best: (0, 0.0),
            pool: Pool::default(),
        }
    }

    /// Divides the operations among the threads of `pool` from now on.
    pub fn set_pool(&mut self, pool: Pool) {
        self.pool = pool;
    }

    fn matrix(&self, id: MatrixId) -> Result<&K::Matrix> {
        let stack = self.matrices.get(id.0).ok_or_else(|| mismatch("matrix id"))?;
        if let [only] = stack.each.as_slice() { Ok(only) } else { Err(mismatch("one matrix")) }
    }

    fn layer(&self, layer: usize) -> Result<&LayerCache<K::Cache>> {
        self.layers.get(layer).ok_or_else(|| mismatch("layer"))
    }

    fn vector(&self, id: VectorId) -> Result<&[f32]> {
        self.vectors.get(id.0).map(Vec::as_slice).ok_or_else(|| mismatch("vector id"))
    }

    fn rows(&self, id: BufferId, first: usize, n: usize) -> Result<&[f32]> {
        let b = self.buffers.get(id.0).ok_or_else(|| mismatch("buffer id"))?;
        b.data.get(first * b.width..(first + n) * b.width).ok_or_else(|| mismatch("buffer rows"))
    }

    /// Makes what `w` wants of the first `n` rows of `x`, unless that was done since they were written.
    fn prepare(&mut self, n: usize, w: MatrixId, x: BufferId) -> Result<()> {
        let mut input = std::mem::take(&mut self.input);
        if self.prepared != Some((x, n)) {
            K::forget(&mut input);
        }
        let rows = self.rows(x, 0, n).and_then(|x| {
            K::prepare(self.matrix(w)?, n, x, &mut input, &self.pool);
            Ok(())
        });
        self.input = input;
        self.prepared = rows.is_ok().then_some((x, n));
        rows
    }

    /// Takes a buffer's storage to write to it while others are read; [`Self::put`] gives it back.
    fn take(&mut self, id: BufferId, n: usize) -> Result<Buffer> {
        let b = self.buffers.get_mut(id.0).ok_or_else(|| mismatch("buffer id"))?;
        ensure(n * b.width <= b.data.len(), "buffer rows")?;
        if self.prepared.is_some_and(|p| p.0 == id) {
            self.prepared = None;
        }
        Ok(std::mem::replace(b, Buffer { width: b.width, data: Vec::new() }))
    }

    fn put(&mut self, id: BufferId, buffer: Buffer) {
        self.buffers[id.0] = buffer;
    }

    /// Writes rows to the cache of a layer at the step's positions.
    fn store_rows(&mut self, n: usize, layer: usize, from: BufferId) -> Result<()> {
        let position = self.position;
        let mut layers = std::mem::take(&mut self.layers);
        let stored = self.rows(from, 0, n).and_then(|from| {
            let Some(LayerCache::Rows { width, rows }) = layers.get_mut(layer) else { return Err(mismatch("layer")) };
            let (start, end) = (position * *width, (position + n) * *width);
            ensure(from.len() == end - start && rows.len() >= start, "store")?;
            if rows.len() < end {
                rows.resize(end, 0.0); // within what is reserved
            }
            rows[start..end].copy_from_slice(from);
            Ok(())
        });
        self.layers = layers;
        stored
    }

    /// Runs `f` on the first `n` rows of `out` with the rest of the backend readable.
    fn write(&mut self, out: BufferId, n: usize, f: impl FnOnce(&Self, usize, &mut [f32]) -> Result<()>) -> Result<()> {
        let mut buffer = self.take(out, n)?;
        let width = buffer.width;
        let done = f(self, width, &mut buffer.data[..n * width]);
        self.put(out, buffer);
        done
    }

    /// The same for several buffers: gives `f` the width and the rows of each.
    fn write_all(
        &mut self,
        n: usize,
        outs: &[BufferId],
        f: impl FnOnce(&Self, &mut [(usize, &mut [f32])]) -> Result<()>,
    ) -> Result<()> {
        let mut taken = Vec::with_capacity(outs.len());
        let all = outs.iter().try_for_each(|&id| self.take(id, n).map(|buffer| taken.push(buffer)));
        let done = all.and_then(|()| {
            let rows = taken.iter_mut().map(|b| (b.width, &mut b.data[..n * b.width]));
            f(self, &mut rows.collect::<Vec<_>>())
        });
        for (&id, buffer) in outs.iter().zip(taken) {
            self.put(id, buffer);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Backend, CacheShape, Head, PassKey, Step, reference::Scalar};

    #[test]
    fn a_changed_input_is_prepared_again() {
        // `prepared` must not survive a write to the buffer it was made from.
        let mut b = Cpu::<Scalar>::new();
        let x = b.create_buffer("x", 1, 4).unwrap();
        b.prepared = Some((x, 1));
        b.write(x, 1, |_, _, x| {
            x.fill(1.0);
            Ok(())
        })
        .unwrap();
        assert_eq!(b.prepared, None);
    }

    #[test]
    fn a_step_outside_the_context_is_refused() {
        let mut b = Cpu::<Scalar>::new();
        b.create_cache(8, &[CacheShape::KeysValues { heads: 1, head_dim: 4, window: None }], KvType::F32).unwrap();
        let key = PassKey { rows: 2, head: Head::None };
        let step = |position| Step { tokens: &[0, 0], position };
        assert!(b.pass(step(6), key, &mut |_| Ok(())).is_ok());
        assert!(b.pass(step(7), key, &mut |_| Ok(())).is_err());
    }
}
