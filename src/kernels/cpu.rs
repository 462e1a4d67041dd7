//! The CPU backend: owns the memory and calls one set of kernels on slices.
//!
//! [`Kernels`] is implemented twice, by [`super::reference`] (scalar, the specification) and `super::simd128`.

use super::{Activation, Attention, Backend, BufferId, CacheShape, MatrixId, PassKey, Rope, RopeKind, Step, VectorId};
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

struct LayerCache {
    width: usize,
    keys: Vec<f32>,   // (positions so far, width); the rows of a short convolution
    values: Vec<f32>, // (positions so far, width)
}

impl LayerCache {
    fn empty(width: usize) -> Self {
        Self { width, keys: Vec::new(), values: Vec::new() }
    }
}

/// A weight matrix, or experts below each other.
struct Stack<M> {
    rows: usize, // of each
    each: Vec<M>,
}

/// A [`Backend`] that runs [`Kernels`] at once, on this thread.
pub struct Cpu<K: Kernels> {
    matrices: Vec<Stack<K::Matrix>>,
    vectors: Vec<Vec<f32>>,
    buffers: Vec<Buffer>,
    layers: Vec<LayerCache>,
    context: usize,
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
            tokens: Vec::new(),
            position: 0,
            input: K::Input::default(),
            prepared: None,
            best: (0, 0.0),
        }
    }

    fn matrix(&self, id: MatrixId) -> Result<&K::Matrix> {
        let stack = self.matrices.get(id.0).ok_or_else(|| mismatch("matrix id"))?;
        if let [only] = stack.each.as_slice() { Ok(only) } else { Err(mismatch("one matrix")) }
    }

    fn layer(&self, layer: usize) -> Result<&LayerCache> {
        self.layers.get(layer).ok_or_else(|| mismatch("layer"))
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

    /// Writes rows to the keys or values of a layer at the step's positions.
    fn store(
        &mut self,
        n: usize,
        layer: usize,
        from: BufferId,
        part: fn(&mut LayerCache) -> &mut Vec<f32>,
    ) -> Result<()> {
        let empty = LayerCache::empty(self.layer(layer)?.width);
        let mut cache = std::mem::replace(&mut self.layers[layer], empty);
        let (start, end) = (self.position * cache.width, (self.position + n) * cache.width);
        let most = self.context * cache.width;
        let to = part(&mut cache);
        let stored = self.rows(from, 0, n).and_then(|from| {
            ensure(from.len() == end - start && to.len() >= start, "store")?;
            grow(to, end, most)?;
            to[start..end].copy_from_slice(from);
            Ok(())
        });
        self.layers[layer] = cache;
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
}

impl<K: Kernels> Backend for Cpu<K> {
    const PANEL_ROWS: usize = K::PANEL_ROWS;

    fn max_rows(&self) -> usize {
        K::MAX_ROWS
    }

    fn create_matrix(&mut self, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<MatrixId> {
        self.create_experts(label, ty, 1, rows, cols)
    }

    fn create_experts(
        &mut self,
        _label: &str,
        ty: TensorType,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<MatrixId> {
        let each = (0..experts).map(|_| K::create_matrix(ty, rows, cols)).collect::<Result<_>>()?;
        self.matrices.push(Stack { rows, each });
        Ok(MatrixId(self.matrices.len() - 1))
    }

    fn write_rows(&mut self, matrix: MatrixId, first_row: usize, bytes: &[u8]) -> Result<()> {
        let stack = self.matrices.get_mut(matrix.0).ok_or_else(|| mismatch("matrix id"))?;
        let (index, row) = (first_row / stack.rows.max(1), first_row % stack.rows.max(1));
        K::write_rows(stack.each.get_mut(index).ok_or_else(|| mismatch("expert"))?, row, bytes)
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

    fn create_cache(&mut self, context: usize, layers: &[CacheShape]) -> Result<()> {
        // Grows with the conversation: most never come near the context's length.
        let empty = |shape: &CacheShape| match *shape {
            CacheShape::KeysValues(width) | CacheShape::Rows(width) => LayerCache::empty(width),
        };
        self.layers = layers.iter().map(empty).collect();
        self.context = context;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let floats = self.vectors.iter().map(Vec::capacity).sum::<usize>()
            + self.buffers.iter().map(|b| b.data.capacity()).sum::<usize>()
            + self.layers.iter().map(|l| l.keys.capacity() + l.values.capacity()).sum::<usize>();
        self.matrices.iter().flat_map(|s| &s.each).map(K::bytes).sum::<u64>() + floats as u64 * 4
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

    fn norm_heads(&mut self, n: usize, x: BufferId, weight: VectorId, eps: f32) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let weight = this.vector(weight)?;
            ensure(!weight.is_empty() && width.is_multiple_of(weight.len()), "norm_heads")?;
            K::norm_heads(x, weight, eps);
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
        self.store(n, layer, k, |cache| &mut cache.keys)?;
        self.store(n, layer, v, |cache| &mut cache.values)
    }

    fn attention(&mut self, n: usize, layer: usize, q: BufferId, a: Attention, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (q, layer) = (this.rows(q, 0, n)?, this.layer(layer)?);
            let end = (this.position + n) * layer.width;
            ensure(q.len() == out.len() && width == a.heads * a.head_dim, "attention")?;
            ensure(layer.width == a.kv_heads * a.head_dim && layer.values.len() >= end, "attention cache")?;
            ensure(a.heads.is_multiple_of(a.kv_heads) && a.window != Some(0), "attention heads")?;
            let cache = Cache { keys: &layer.keys[..end], values: &layer.values[..end], position: this.position };
            K::attention(q, cache, a, out);
            Ok(())
        })
    }

    fn gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Activation) -> Result<()> {
        self.write(gate, n, |this, _, gate| {
            let up = this.rows(up, 0, n)?;
            ensure(up.len() == gate.len(), "gated")?;
            K::gated(gate, up, activation);
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

    fn add_bias(&mut self, n: usize, x: BufferId, bias: VectorId) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let bias = this.vector(bias)?;
            ensure(bias.len() == width, "add_bias")?;
            for row in x.chunks_exact_mut(width) {
                K::add(row, bias);
            }
            Ok(())
        })
    }

    fn scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()> {
        self.write(x, n, |_, _, x| {
            K::scale(x, factor);
            Ok(())
        })
    }

    fn soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()> {
        self.write(x, n, |_, _, x| {
            K::soft_cap(x, cap);
            Ok(())
        })
    }

    fn short_conv(&mut self, n: usize, layer: usize, x: BufferId, taps: VectorId, out: BufferId) -> Result<()> {
        self.store(n, layer, x, |cache| &mut cache.keys)?;
        self.write(out, n, |this, width, out| {
            let (cache, taps) = (this.layer(layer)?, this.vector(taps)?);
            ensure(cache.width == width && !taps.is_empty() && taps.len().is_multiple_of(width), "short_conv")?;
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                K::short_conv(&cache.keys[..(this.position + i + 1) * width], taps, out);
            }
            Ok(())
        })
    }

    fn route(&mut self, n: usize, logits: BufferId, routes: BufferId) -> Result<()> {
        self.write(routes, n, |this, width, routes| {
            let logits = this.rows(logits, 0, n)?;
            let experts = logits.len() / n;
            ensure(width.is_multiple_of(2) && (2..=2 * experts).contains(&width), "route")?;
            for (logits, routes) in logits.chunks_exact(experts).zip(routes.chunks_exact_mut(width)) {
                K::route(logits, routes);
            }
            Ok(())
        })
    }

    fn matmul_experts(&mut self, n: usize, w: MatrixId, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        let mut input = std::mem::take(&mut self.input);
        self.prepared = None;
        let done = self.write(out, n, |this, width, out| {
            let stack = this.matrices.get(w.0).ok_or_else(|| mismatch("matrix id"))?;
            let (x, routes) = (this.rows(x, 0, n)?, this.rows(routes, 0, n)?);
            let cols = stack.each.first().map_or(0, |m| K::shape(m).1);
            let (used, x_width) = (routes.len() / n / 2, x.len() / n);
            ensure(width == used * stack.rows && cols > 0, "matmul_experts")?;
            ensure(x_width == cols || x_width == used * cols, "matmul_experts input")?;
            for (i, routes) in routes.chunks_exact(2 * used).enumerate() {
                for (s, &expert) in routes[..used].iter().enumerate() {
                    let from = i * x_width + if x_width == cols { 0 } else { s * cols };
                    let expert = stack.each.get(expert as usize).ok_or_else(|| mismatch("expert"))?;
                    let (x, to) = (&x[from..from + cols], i * width + s * stack.rows);
                    K::prepare(1, x, &mut input);
                    K::matmul(expert, 1, x, &input, &mut out[to..to + stack.rows]);
                }
            }
            Ok(())
        });
        self.input = input;
        done
    }

    fn mix_experts(&mut self, n: usize, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (x, routes) = (this.rows(x, 0, n)?, this.rows(routes, 0, n)?);
            let used = routes.len() / n / 2;
            ensure(used > 0 && x.len() == used * out.len(), "mix_experts")?;
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let weights = &routes[(2 * i + 1) * used..(2 * i + 2) * used];
                K::mix_experts(&x[i * used * width..(i + 1) * used * width], weights, out);
            }
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
        b.create_cache(8, &[CacheShape::KeysValues(4)]).unwrap();
        let key = PassKey { rows: 2, head: Head::None };
        let step = |position| Step { tokens: &[0, 0], position };
        assert!(b.pass(step(6), key, &mut |_| Ok(())).is_ok());
        assert!(b.pass(step(7), key, &mut |_| Ok(())).is_err());
    }
}
