//! The operations that the forward pass is written in, and who carries them out.
//!
//! [`Backend`] is the seam: [`crate::model`] calls its operations in model order and never knows which backend runs
//! them. A backend owns all memory; callers hold small ids. All activations are `f32`, row-major.
//!
//! A CPU backend executes an operation when it is called. The GPU backend records it: [`Backend::pass`] gives a key,
//! and a pass whose key was recorded before is replayed without calling the closure. So what an operation is called
//! with may depend on the key only; what changes from step to step (tokens and position) is in [`Step`].

pub mod cpu;
pub mod footprint;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod kv_type;
pub mod reference;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod simd128;

use crate::error::{Error, ErrorKind, Result};
use crate::quant::TensorType;
pub use kv_type::KvType;

/// A weight matrix W of shape (rows, cols); GGUF stores it row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatrixId(pub usize);

/// A constant f32 vector: a norm's weight, a rope table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VectorId(pub usize);

/// An activation buffer of shape (rows, width), in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// What changes from one step to the next.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The ids to process, at most [`Backend::max_rows`]; row i of every activation belongs to `tokens[i]`.
    pub tokens: &'a [u32],
    /// The position of `tokens[0]`; keys and values of all positions before it are in the cache.
    pub position: usize,
}

/// Which rows leave through the output head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Head {
    /// None: only the key/value cache is wanted.
    None,
    /// The last row's logits.
    Last,
    /// The id of the last row's largest logit.
    Argmax,
    /// The id of a token that is drawn from the last row's logits, as [`Backend::begin_sampling`] was told.
    Sample,
    /// Every row's logits.
    All,
}

/// Identifies a recorded pass: all that its operations depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PassKey {
    /// Rows in this step: `step.tokens.len()`.
    pub rows: usize,
    /// Which rows leave.
    pub head: Head,
}

/// Which pairs of a head's elements rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RopeKind {
    /// Elements 2i and 2i + 1 (llama as GGUF stores it).
    Norm,
    /// Elements i and i + n/2 (GPT-NeoX).
    Neox,
}

/// A rotary embedding: angles are read from `table`, of shape (context, dims / 2, 2) with (cos, sin) innermost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Which elements pair up.
    pub kind: RopeKind,
    /// How many leading elements of each head rotate; even.
    pub dims: usize,
    /// (context, dims / 2, 2): cosine and sine of each position's angles.
    pub table: VectorId,
}

/// What a gate goes through before it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing: a plain product.
    Identity,
    /// x / (1 + exp(-x)).
    Silu,
    /// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³))).
    GeluTanh,
    /// max(x, 0)².
    ReluSquared,
}

/// What the cache holds of each position in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheShape {
    /// A key and a value for each of `heads` key/value heads: attention.
    KeysValues {
        /// Key/value heads.
        heads: usize,
        /// Elements a head.
        head_dim: usize,
        /// As [`Attention::window`] of every attention over it: a backend may hold no more than that needs.
        window: Option<usize>,
    },
    /// One row of this width: the input of a short convolution.
    Rows(usize),
}

/// The shape of an attention: `heads` query heads share `kv_heads` key/value heads in equal groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Elements a head.
    pub head_dim: usize,
    /// Multiplies q · k before the softmax.
    pub scale: f32,
    /// A row sees itself and this many positions less one before it; `None` for all of them. At least 1.
    pub window: Option<usize>,
    /// Scores s become cap * tanh(s / cap) before the softmax.
    pub soft_cap: Option<f32>,
}

/// An attention, and what queries and keys go through before they meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attend {
    /// Norm of queries: of each head, or of whole rows, by its length.
    pub q_norm: Option<VectorId>,
    /// Norm of keys.
    pub k_norm: Option<VectorId>,
    /// Added to the mean of squares in these norms.
    pub eps: f32,
    /// How they rotate, after the norm.
    pub rope: Option<Rope>,
    /// Heads, window and cap.
    pub shape: Attention,
}

/// [`Backend::attend`] as the operations that it stands for.
fn attend_in_steps<B: Backend + ?Sized>(
    b: &mut B,
    n: usize,
    layer: usize,
    [q, k, v]: [BufferId; 3],
    a: Attend,
    out: BufferId,
) -> Result<()> {
    if let Some(norm) = a.q_norm {
        b.norm_heads(n, q, norm, a.eps)?;
    }
    if let Some(norm) = a.k_norm {
        b.norm_heads(n, k, norm, a.eps)?;
    }
    if let Some(rope) = a.rope {
        b.rope(n, q, a.shape.heads, a.shape.head_dim, rope)?;
        b.rope(n, k, a.shape.kv_heads, a.shape.head_dim, rope)?;
    }
    b.store_kv(n, layer, k, v)?;
    b.attention(n, layer, q, a.shape, out)
}

/// How a sub-block's result joins the stream, and the norm in front of what comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joint {
    /// (width): norm of what is added.
    pub post_norm: Option<VectorId>,
    /// Multiplies what is added, after its norm.
    pub scale: Option<f32>,
    /// (width): norm of the sum, if one is wanted.
    pub next_norm: Option<VectorId>,
    /// Added to the mean of squares in both norms.
    pub eps: f32,
}

/// How [`Backend::sample`] chooses tokens of one generation: steps in the order in which they are done, each as
/// [`crate::sampling`] does it on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Added to logits, each id once; negative infinity bans a token.
    pub biases: Vec<(u32, f32)>,
    /// The last so many of the tokens before the one to choose are penalised; 0 for none.
    pub window: usize,
    /// Divides their logits where these are positive and multiplies them where not; above 0.
    pub repetition_penalty: f32,
    /// Subtracted from their logits.
    pub presence_penalty: f32,
    /// Subtracted for each time that they are in the window.
    pub frequency_penalty: f32,
    /// Most likely tokens that are kept; 0 for all. With neither this nor `top_p` tokens are walked in the order of their ids, and
    /// otherwise in that of their logits.
    pub top_k: usize,
    /// The share of the probability that is kept, 0 to 1.
    pub top_p: f32,
    /// The share of the largest probability from which on tokens are kept, 0 to 1.
    pub min_p: f32,
    /// Divides logits; above 0.
    pub temperature: f32,
    /// Only tokens that [`Backend::allow`] was told of can be chosen, as if all others were banned.
    pub constrained: bool,
}

/// What a backend can do, operation by operation. `n` is always the number of rows processed: 1 ..= `max_rows`.
///
/// Operations with a body are several others in one. A backend that pays for each operation has its own; the body is what
/// it means.
///
/// # Errors
/// Uploads and allocations fail with [`crate::ErrorKind::OutOfMemory`] or `GpuFailure`; operations with `Internal`
/// when shapes do not match (a bug of the caller) or `GpuFailure`; either with `DeviceLost`.
#[allow(async_fn_in_trait)] // one thread, no Send wanted: a page's WebGPU objects are not Send
pub trait Backend {
    /// How many rows a weight is packed in: all but the last call of `write_rows` pass a multiple of it.
    const PANEL_ROWS: usize;
    /// How keys and values can be cached, the default first.
    const KV_TYPES: &'static [KvType];

    /// The most rows one pass takes: a prefill block.
    fn max_rows(&self) -> usize;

    /// Makes an empty matrix W (rows, cols) to be filled by `write_rows`. `cols` is whole blocks of `ty`.
    fn create_matrix(&mut self, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<MatrixId>;
    /// Makes matrices (rows, cols) of these labels, types and rows, that are multiplied with the same input: a backend may keep
    /// them together, for `matmuls` and `matmul_gated`.
    fn create_stack(&mut self, parts: &[(&str, TensorType, usize)], cols: usize) -> Result<Vec<MatrixId>> {
        parts.iter().map(|(label, ty, rows)| self.create_matrix(label, *ty, *rows, cols)).collect()
    }
    /// Makes `experts` matrices (rows, cols) of one type, for `matmul_experts`. They are filled as if they stood below each
    /// other, except that no call of `write_rows` crosses from one to the next and panels are counted within each.
    fn create_experts(
        &mut self,
        label: &str,
        ty: TensorType,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<MatrixId>;
    /// Fills rows from `first_row`, a multiple of `PANEL_ROWS`, with `bytes`: whole rows as GGUF stores them.
    fn write_rows(&mut self, matrix: MatrixId, first_row: usize, bytes: &[u8]) -> Result<()>;
    /// Makes a constant vector.
    fn create_vector(&mut self, label: &str, values: &[f32]) -> Result<VectorId>;
    /// Makes an activation buffer (rows, width), zeroed.
    fn create_buffer(&mut self, label: &str, rows: usize, width: usize) -> Result<BufferId>;
    /// Makes activation buffers (rows, width) of these labels and widths that operations take together, such as queries, keys
    /// and values.
    fn create_buffers(&mut self, rows: usize, parts: &[(&str, usize)]) -> Result<Vec<BufferId>> {
        parts.iter().map(|(label, width)| self.create_buffer(label, rows, *width)).collect()
    }
    /// Makes the cache: for each layer K and V of shape (context, heads * head_dim) in type `kv`, one of `KV_TYPES`, or rows
    /// (context, width), f32. A backend may allocate some of it now, and more when [`Self::reserve`] asks.
    fn create_cache(&mut self, context: usize, layers: &[CacheShape], kv: KvType) -> Result<()>;
    /// Makes room in the cache for the first `positions` positions, or for the context if that is less: to be called before a pass goes
    /// past those that were asked for. What is stored stays. Without memory for it (`OutOfMemory`) all stays as it was, and smaller
    /// calls succeed.
    async fn reserve(&mut self, _positions: usize) -> Result<()> {
        Ok(())
    }
    /// Goes back to the first `positions` positions. Gives at how many of them a pass may go on: those, or 0 where the cache does not
    /// hold all that it would see.
    fn rewind(&mut self, positions: usize) -> usize {
        positions
    }
    /// Bytes held now for weights, vectors, buffers and cache.
    fn bytes(&self) -> u64;
    /// Makes what [`Self::sample`] needs for a vocabulary and a context. Most backends need nothing.
    fn create_sampler(&mut self, _vocabulary: usize, _context: usize) -> Result<()> {
        Ok(())
    }
    /// Waits until uploads handed over so far are done, to bound what is in flight.
    async fn flush(&mut self) -> Result<()>;

    /// Begins to compile what passes are made of, where that takes time, so that it is done when the weights are there. `rehearse` issues
    /// the operations of passes of the keys that it is given, with a [`Self::stand_in`] for each vector. Nothing is computed.
    fn warm(&mut self, _rehearse: &mut dyn FnMut(&mut Self, &[PassKey]) -> Result<()>) -> Result<()> {
        Ok(())
    }
    /// An id for a vector of `len` elements that is yet to come, until the end of [`Self::warm`].
    fn stand_in(&mut self, _len: usize) -> VectorId {
        VectorId(usize::MAX)
    }
    /// How much of what was begun to be compiled is not.
    fn compiling(&mut self) -> Result<usize> {
        Ok(0)
    }

    /// Runs one pass. `record` issues the operations; it may be skipped if `key` was recorded before.
    fn pass(&mut self, step: Step<'_>, key: PassKey, record: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()>;

    /// The rows that a prompt's next block should have, 1 ..= `max_rows`: fewer where the device would take long for more.
    fn block_rows(&self) -> usize {
        self.max_rows()
    }
    /// [`Self::pass`] of which a part may be left to [`Self::go_on`], so that a caller can think better of it.
    fn begin_pass(
        &mut self,
        step: Step<'_>,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.pass(step, key, record)
    }
    /// Hands over more of the pass that was begun, and waits where there is enough to do. Whether all of it is handed over.
    async fn go_on(&mut self) -> Result<bool> {
        Ok(true)
    }
    /// Forgets what is left of the pass that was begun. What it has done stays in the cache, to be written over.
    fn abandon_pass(&mut self) {}
    /// Rows of passes that may not be done.
    fn rows_under_way(&self) -> usize {
        0
    }

    /// Tells the passes with [`Head::Sample`] from now on how to choose, after `tokens`. Gives whether the backend does that at
    /// all: where logits are at hand, there is no need for it.
    fn begin_sampling(&mut self, _how: &Sampling, _tokens: &[u32]) -> Result<bool> {
        Ok(false)
    }
    /// Tells the passes with [`Head::Sample`] from now on which tokens may be chosen, where sampling was begun with `constrained`:
    /// bit i of `words` (vocabulary / 32, rounded up) is token i.
    fn allow(&mut self, _words: &[u32]) -> Result<()> {
        Ok(())
    }
    /// The number in \[0, 1) by which the next pass chooses.
    fn set_unit(&mut self, _unit: f32) {}

    /// How many passes that find a token a caller should have handed over beyond the one whose result it waits for: 0 where a
    /// pass is done when it returns.
    fn run_ahead(&self) -> usize {
        0
    }
    /// Runs the pass of `key`, one row that finds a token, on the token that the pass before it finds, at `position`.
    fn pass_on(
        &mut self,
        position: usize,
        _key: PassKey,
        _record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        Err(Error::new(ErrorKind::Internal, format!("a pass at {position} ahead of its token")))
    }
    /// Forgets what passes have found that was not read. What they left in the cache stays, to be written over.
    fn forget_found(&mut self) {}

    /// out (n, cols) = rows of `table` (vocabulary, cols) named by the step's tokens.
    fn embed(&mut self, n: usize, table: MatrixId, out: BufferId) -> Result<()>;
    /// The same times `factor`.
    fn embed_scaled(&mut self, n: usize, table: MatrixId, factor: f32, out: BufferId) -> Result<()> {
        self.embed(n, table, out)?;
        self.scale(n, out, factor)
    }
    /// out row i = x row (first + i) / sqrt(mean(x²) + eps) * weight, for i in 0 .. n. `out` is not `x`.
    fn rms_norm(
        &mut self,
        n: usize,
        x: BufferId,
        first: usize,
        weight: VectorId,
        eps: f32,
        out: BufferId,
    ) -> Result<()>;
    /// Each run of `weight`'s length in x (n, heads * length), in place, divided by sqrt(mean(x²) + eps) and multiplied by
    /// `weight`: a norm of every head, or of whole rows.
    fn norm_heads(&mut self, n: usize, x: BufferId, weight: VectorId, eps: f32) -> Result<()>;
    /// out (n, rows) = x (n, cols) @ W (rows, cols)ᵀ.
    fn matmul(&mut self, n: usize, w: MatrixId, x: BufferId, out: BufferId) -> Result<()>;
    /// Rotates each of `heads` heads of `head_dim` in x (n, heads * head_dim), in place, by the row's position.
    fn rope(&mut self, n: usize, x: BufferId, heads: usize, head_dim: usize, rope: Rope) -> Result<()>;
    /// Stores k and v (n, width) in the cache of `layer` at the rows' positions.
    fn store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()>;
    /// out (n, heads * head_dim) = causal softmax attention of q (n, heads * head_dim) over the cache of `layer`.
    fn attention(&mut self, n: usize, layer: usize, q: BufferId, a: Attention, out: BufferId) -> Result<()>;
    /// gate = activation(gate) * up, both (n, width).
    fn gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Activation) -> Result<()>;
    /// x += y, both (n, width).
    fn add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()>;
    /// Each row of x (n, width) += bias (width).
    fn add_bias(&mut self, n: usize, x: BufferId, bias: VectorId) -> Result<()>;
    /// x (n, width) *= factor.
    fn scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()>;
    /// x (n, width) = cap * tanh(x / cap).
    fn soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()>;
    /// Stores x (n, width) in the rows that the cache of `layer` has for the step's positions, then
    /// out (n, width) at position p = sum over j of taps (width, count)\[:, j\] * row p - (count - 1) + j of the cache;
    /// rows before the first are zero. `out` is not `x`.
    fn short_conv(&mut self, n: usize, layer: usize, x: BufferId, taps: VectorId, out: BufferId) -> Result<()>;
    /// Chooses experts: routes (n, 2 * used) = the indices of the `used` largest of each row of logits (n, experts), the
    /// lowest index on a tie and NaN last, then the softmax over those logits.
    fn route(&mut self, n: usize, logits: BufferId, routes: BufferId) -> Result<()>;
    /// out (n, used, rows)\[i, s\] = the expert's W (rows, cols) @ x\[i\] or x\[i, s\], as x is (n, cols) or
    /// (n, used, cols); the expert is the one in slot s of row i of routes (n, 2 * used).
    fn matmul_experts(&mut self, n: usize, w: MatrixId, x: BufferId, routes: BufferId, out: BufferId) -> Result<()>;
    /// out (n, width) = the sum of x (n, used, width) over slots, each by its weight in routes (n, 2 * used).
    fn mix_experts(&mut self, n: usize, x: BufferId, routes: BufferId, out: BufferId) -> Result<()>;
    /// Each of `out` (n, rows) = x (n, cols) @ its matrix (rows, cols)ᵀ.
    fn matmuls(&mut self, n: usize, products: &[(MatrixId, BufferId)], x: BufferId) -> Result<()> {
        products.iter().try_for_each(|&(w, out)| self.matmul(n, w, x, out))
    }
    /// out (n, rows) = activation(x (n, cols) @ gateᵀ) * (x @ upᵀ), both matrices (rows, cols). `spare` (n, rows) is for what a
    /// backend wants to keep in between.
    fn matmul_gated(
        &mut self,
        n: usize,
        [gate, up]: [MatrixId; 2],
        x: BufferId,
        activation: Activation,
        out: BufferId,
        spare: BufferId,
    ) -> Result<()> {
        self.matmul(n, gate, x, out)?;
        self.matmul(n, up, x, spare)?;
        self.gated(n, out, spare, activation)
    }
    /// Stores keys and values (n, kv_heads * head_dim) in the cache of `layer`, keys normed and rotated, and
    /// out (n, heads * head_dim) = causal attention over it of queries (n, heads * head_dim), normed and rotated. What is left
    /// in `qkv` is not specified.
    fn attend(&mut self, n: usize, layer: usize, qkv: [BufferId; 3], a: Attend, out: BufferId) -> Result<()> {
        attend_in_steps(self, n, layer, qkv, a, out)
    }
    /// x row (first + i) += delta row (first + i), as `j` says, then out row i = that row's norm, for i in 0 .. n; all three
    /// (n, width). What is left in `delta`, and in rows of x before `first`, is not specified; nor is `out` without a norm.
    fn add_norm(
        &mut self,
        n: usize,
        first: usize,
        x: BufferId,
        delta: BufferId,
        j: Joint,
        out: BufferId,
    ) -> Result<()> {
        let rows = first.saturating_add(n);
        if let Some(norm) = j.post_norm {
            self.norm_heads(rows, delta, norm, j.eps)?;
        }
        if let Some(factor) = j.scale {
            self.scale(rows, delta, factor)?;
        }
        self.add(rows, x, delta)?;
        match j.next_norm {
            Some(norm) => self.rms_norm(n, x, first, norm, j.eps, out),
            None => Ok(()),
        }
    }
    /// Finds the largest element of row 0 of x (1, width), the lowest index on a tie, for [`Backend::read_found`].
    fn argmax(&mut self, x: BufferId) -> Result<()>;
    /// Draws an index from row 0 of x (1, vocabulary), the logits behind n rows, for [`Backend::read_found`]; x is left with biases
    /// and penalties applied. If an element is NaN or positive infinity, the first of these is found instead, and if none is
    /// above negative infinity, one of them.
    fn sample(&mut self, _n: usize, _x: BufferId) -> Result<()> {
        Err(Error::new(ErrorKind::Internal, "this backend does not sample"))
    }

    /// The first `n` rows of `x` (n, width) after the passes so far.
    async fn read(&mut self, x: BufferId, n: usize) -> Result<Vec<f32>>;
    /// The index that the first pass found whose finding was not read yet, and the value there. A [`Backend::pass`] forgets those
    /// before it.
    async fn read_found(&mut self) -> Result<(u32, f32)>;
}
