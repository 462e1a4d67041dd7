//! The CPU backend: owns the memory and calls one set of kernels on slices.
//!
//! [`Kernels`] is implemented twice, by [`super::reference`] (scalar, the specification) and `super::simd128`.

use super::{Attention, Backend, BufferId, MatrixId, PassKey, Rope, RopeKind, Step, VectorId};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::TensorType;

/// Where a row of queries stands, for [`Kernels::attention`].
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a> {
    /// Keys (positions, kv_heads * head_dim).
    pub keys: &'a [f32],
    /// Values (positions, kv_heads * head_dim).
    pub values: &'a [f32],
    /// The position of the first query row; row i sees positions 0 ..= position + i.
    pub position: usize,
}

/// One operation a function, on slices whose lengths [`Cpu`] has checked.
pub trait Kernels {
    /// A packed weight matrix.
    type Matrix;
    /// What `matmul` wants of its input beside the numbers: made once for all matrices that read it.
    type Input: Default;
    /// See [`Backend::PANEL_ROWS`].
    const PANEL_ROWS: usize;
    /// See [`Backend::max_rows`].
    const MAX_ROWS: usize;

    /// An empty matrix (rows, cols).
    fn create_matrix(ty: TensorType, rows: usize, cols: usize) -> Result<Self::Matrix>;
    /// Packs whole rows from `first_row` on.
    fn write_rows(matrix: &mut Self::Matrix, first_row: usize, bytes: &[u8]) -> Result<()>;
    /// (rows, cols).
    fn shape(matrix: &Self::Matrix) -> (usize, usize);
    /// Bytes held.
    fn bytes(matrix: &Self::Matrix) -> u64;

    /// out (cols) = row `token` of the table.
    fn embed(table: &Self::Matrix, token: usize, out: &mut [f32]);
    /// out (width) = x (width) / sqrt(mean(x²) + eps) * weight.
    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);
    /// Prepares x (n, cols) for `matmul`.
    fn prepare(n: usize, x: &[f32], input: &mut Self::Input);
    /// out (n, rows) = x (n, cols) @ Wᵀ; `input` was prepared from x.
    fn matmul(w: &Self::Matrix, n: usize, x: &[f32], input: &Self::Input, out: &mut [f32]);
    /// Rotates one head by `angles` (dims / 2, 2): cosine, sine.
    fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]);
    /// out (n, heads * head_dim): causal attention of q (same shape) over the cache.
    fn attention(q: &[f32], cache: Cache<'_>, a: Attention, out: &mut [f32]);
    /// gate = silu(gate) * up.
    fn silu_mul(gate: &mut [f32], up: &[f32]);
    /// x += y.
    fn add(x: &mut [f32], y: &[f32]);
    /// The index of the largest element, the lowest on a tie; NaN is never the largest.
    fn argmax(x: &[f32]) -> usize;
}

struct Buffer {
    width: usize,
    data: Vec<f32>, // (rows, width)
}

struct LayerCache {
    keys: Vec<f32>,   // (positions so far, width)
    values: Vec<f32>, // (positions so far, width)
}

/// A [`Backend`] that runs [`Kernels`] at once, on this thread.
pub struct Cpu<K: Kernels> {
    matrices: Vec<K::Matrix>,
    vectors: Vec<Vec<f32>>,
    buffers: Vec<Buffer>,
    layers: Vec<LayerCache>,
    context: usize,
    cache_width: usize,
    tokens: Vec<u32>,
    position: usize,
    input: K::Input,
    /// The buffer and row count that `input` was prepared from, while they are unchanged.
    prepared: Option<(BufferId, usize)>,
    best: (u32, f32),
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
    let mib = len.saturating_mul(size_of::<T>() as u64) >> 20;
    let refused = || {
        Error::new(ErrorKind::OutOfMemory, format!("no room for {mib} MiB of {what}; try a smaller model or context"))
    };
    let len = usize::try_from(len).map_err(|_| refused())?;
    let mut v = Vec::new();
    v.try_reserve_exact(len).map_err(|e| refused().with_source(e))?;
    v.resize(len, T::default());
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
            cache_width: 0,
            tokens: Vec::new(),
            position: 0,
            input: K::Input::default(),
            prepared: None,
            best: (0, 0.0),
        }
    }

    fn matrix(&self, id: MatrixId) -> Result<&K::Matrix> {
        self.matrices.get(id.0).ok_or_else(|| mismatch("matrix id"))
    }

    fn vector(&self, id: VectorId) -> Result<&[f32]> {
        self.vectors.get(id.0).map(Vec::as_slice).ok_or_else(|| mismatch("vector id"))
    }

    fn rows(&self, id: BufferId, first: usize, n: usize) -> Result<&[f32]> {
        let b = self.buffers.get(id.0).ok_or_else(|| mismatch("buffer id"))?;
        b.data.get(first * b.width..(first + n) * b.width).ok_or_else(|| mismatch("buffer rows"))
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

    /// Runs `f` on the first `n` rows of `out` with the rest of the backend readable.
    fn write(&mut self, out: BufferId, n: usize, f: impl FnOnce(&Self, usize, &mut [f32]) -> Result<()>) -> Result<()> {
        let mut buffer = self.take(out, n)?;
        let width = buffer.width;
        let done = f(self, width, &mut buffer.data[..n * width]);
        self.put(out, buffer);
        done
    }
}

impl<K: Kernels> Backend for Cpu<K> {
    const PANEL_ROWS: usize = K::PANEL_ROWS;

    fn max_rows(&self) -> usize {
        K::MAX_ROWS
    }

    fn create_matrix(&mut self, _label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<MatrixId> {
        self.matrices.push(K::create_matrix(ty, rows, cols)?);
        Ok(MatrixId(self.matrices.len() - 1))
    }

    fn write_rows(&mut self, matrix: MatrixId, first_row: usize, bytes: &[u8]) -> Result<()> {
        let m = self.matrices.get_mut(matrix.0).ok_or_else(|| mismatch("matrix id"))?;
        K::write_rows(m, first_row, bytes)
    }

    fn create_vector(&mut self, _label: &str, values: &[f32]) -> Result<VectorId> {
        let mut v = zeroed(values.len() as u64, "a vector")?;
        v.copy_from_slice(values);
        self.vectors.push(v);
        Ok(VectorId(self.vectors.len() - 1))
    }

    fn create_buffer(&mut self, label: &str, rows: usize, width: usize) -> Result<BufferId> {
        self.buffers.push(Buffer { width, data: zeroed(rows as u64 * width as u64, label)? });
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn create_cache(&mut self, layers: usize, context: usize, width: usize) -> Result<()> {
        // Grows with the conversation: most never come near the context's length.
        self.layers = (0..layers).map(|_| LayerCache { keys: Vec::new(), values: Vec::new() }).collect();
        (self.context, self.cache_width) = (context, width);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let floats = self.vectors.iter().map(Vec::capacity).sum::<usize>()
            + self.buffers.iter().map(|b| b.data.capacity()).sum::<usize>()
            + self.layers.iter().map(|l| l.keys.capacity() + l.values.capacity()).sum::<usize>();
        self.matrices.iter().map(K::bytes).sum::<u64>() + floats as u64 * 4
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pass(&mut self, step: Step<'_>, key: PassKey, record: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        ensure(step.tokens.len() == key.rows && (1..=K::MAX_ROWS).contains(&key.rows), "step")?;
        ensure(step.position + key.rows <= self.context || self.layers.is_empty(), "position")?;
        self.tokens.clear();
        self.tokens.extend_from_slice(step.tokens);
        self.position = step.position;
        record(self)
    }

    fn embed(&mut self, n: usize, table: MatrixId, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let table = this.matrix(table)?;
            let (rows, cols) = K::shape(table);
            ensure(cols == width && n <= this.tokens.len(), "embed")?;
            for (&token, out) in this.tokens.iter().zip(out.chunks_exact_mut(width)) {
                ensure((token as usize) < rows, "embed token")?;
                K::embed(table, token as usize, out);
            }
            Ok(())
        })
    }

    fn rms_norm(
        &mut self,
        n: usize,
        x: BufferId,
        first: usize,
        weight: VectorId,
        eps: f32,
        out: BufferId,
    ) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (x, weight) = (this.rows(x, first, n)?, this.vector(weight)?);
            ensure(weight.len() == width && x.len() == out.len(), "rms_norm")?;
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                K::rms_norm(x, weight, eps, out);
            }
            Ok(())
        })
    }

    fn matmul(&mut self, n: usize, w: MatrixId, x: BufferId, out: BufferId) -> Result<()> {
        if self.prepared != Some((x, n)) {
            let mut input = std::mem::take(&mut self.input);
            let data = self.rows(x, 0, n)?;
            K::prepare(n, data, &mut input);
            self.input = input;
            self.prepared = Some((x, n));
        }
        self.write(out, n, |this, width, out| {
            let (w, x) = (this.matrix(w)?, this.rows(x, 0, n)?);
            ensure(K::shape(w) == (width, x.len() / n), "matmul")?;
            K::matmul(w, n, x, &this.input, out);
            Ok(())
        })
    }

    fn rope(&mut self, n: usize, x: BufferId, heads: usize, head_dim: usize, rope: Rope) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let table = this.vector(rope.table)?;
            ensure(width == heads * head_dim && rope.dims <= head_dim, "rope")?;
            for (i, row) in x.chunks_exact_mut(width).enumerate() {
                let first = (this.position + i) * rope.dims;
                let angles = table.get(first..first + rope.dims).ok_or_else(|| mismatch("rope table"))?;
                for head in row.chunks_exact_mut(head_dim) {
                    K::rope(head, rope.kind, angles);
                }
            }
            Ok(())
        })
    }

    fn store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        let (start, end) = (self.position * self.cache_width, (self.position + n) * self.cache_width);
        let mut cache = std::mem::replace(
            self.layers.get_mut(layer).ok_or_else(|| mismatch("layer"))?,
            LayerCache { keys: Vec::new(), values: Vec::new() },
        );
        let stored = [(&mut cache.keys, k), (&mut cache.values, v)].into_iter().try_for_each(|(to, from)| {
            let from = self.rows(from, 0, n)?;
            ensure(from.len() == end - start && to.len() >= start, "store_kv")?;
            grow(to, end, self.context * self.cache_width)?;
            to[start..end].copy_from_slice(from);
            Ok(())
        });
        self.layers[layer] = cache;
        stored
    }

    fn attention(&mut self, n: usize, layer: usize, q: BufferId, a: Attention, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (q, layer) = (this.rows(q, 0, n)?, this.layers.get(layer).ok_or_else(|| mismatch("layer"))?);
            let end = (this.position + n) * this.cache_width;
            ensure(q.len() == out.len() && width == a.heads * a.head_dim, "attention")?;
            ensure(this.cache_width == a.kv_heads * a.head_dim && layer.keys.len() >= end, "attention cache")?;
            ensure(a.heads.is_multiple_of(a.kv_heads), "attention heads")?;
            let cache = Cache { keys: &layer.keys[..end], values: &layer.values[..end], position: this.position };
            K::attention(q, cache, a, out);
            Ok(())
        })
    }

    fn silu_mul(&mut self, n: usize, gate: BufferId, up: BufferId) -> Result<()> {
        self.write(gate, n, |this, _, gate| {
            let up = this.rows(up, 0, n)?;
            ensure(up.len() == gate.len(), "silu_mul")?;
            K::silu_mul(gate, up);
            Ok(())
        })
    }

    fn add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()> {
        self.write(x, n, |this, _, x| {
            let y = this.rows(y, 0, n)?;
            ensure(y.len() == x.len(), "add")?;
            K::add(x, y);
            Ok(())
        })
    }

    fn argmax(&mut self, x: BufferId) -> Result<()> {
        let row = self.rows(x, 0, 1)?;
        let best = K::argmax(row);
        self.best = (best as u32, row.get(best).copied().unwrap_or(f32::NAN));
        Ok(())
    }

    async fn read(&mut self, x: BufferId, n: usize) -> Result<Vec<f32>> {
        Ok(self.rows(x, 0, n)?.to_vec())
    }

    async fn read_argmax(&mut self) -> Result<(u32, f32)> {
        Ok(self.best)
    }
}

/// Makes `v` hold `len` elements, growing by a quarter and never beyond `most`.
fn grow(v: &mut Vec<f32>, len: usize, most: usize) -> Result<()> {
    if len > v.capacity() {
        let capacity = (len + len / 4).min(most).max(len);
        v.try_reserve_exact(capacity - v.len()).map_err(|e| {
            Error::new(ErrorKind::OutOfMemory, "no room for more of the key/value cache; start a new conversation")
                .with_source(e)
        })?;
    }
    if len > v.len() {
        v.resize(len, 0.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Head, reference::Scalar};

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
        b.create_cache(1, 8, 4).unwrap();
        let key = PassKey { rows: 2, head: Head::None };
        let step = |position| Step { tokens: &[0, 0], position };
        assert!(b.pass(step(6), key, &mut |_| Ok(())).is_ok());
        assert!(b.pass(step(7), key, &mut |_| Ok(())).is_err());
    }
}
