//! Attention: what queries and keys go through, the cache, and the sums over it.

use super::memory::{Activation, LayerCache};
use super::ops::{LANES, Pairs};
use super::program::Range;
use super::variants::{Variant, params, variant};
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Attend, Attention, BufferId, VectorId, attend_in_steps};

/// The most elements a head has in `shared/head.wgsl`.
const MAX_HEAD: usize = 256;

/// What the shaders of a head's preparation bind, and where a row has its parts.
struct Heads<'a> {
    qkv: &'a Activation,
    k_at: u32,
    v_at: u32,
    table: Range,
    q_norm: Range,
    k_norm: Range,
    pairs: Pairs,
    /// Positions that the table of angles has.
    positions: Option<usize>,
    /// Bit 0 if queries are normed, bit 1 if keys are.
    normed: u32,
}

impl Gpu {
    pub(super) fn record_store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        let cache = self.cache()?;
        let context = cache.context;
        let layer = cache.layer(layer)?;
        let (keys, values) = layer.pair()?;
        let k = self.activation_of(k, n, layer.width)?.whole_rows()?;
        let v = self.activation_of(v, n, layer.width)?.whole_rows()?;
        let params = params::StoreKv { n: to_u32(n, "rows")?, stride: to_u32(layer.stride / LANES, "stride")? };
        let variant = variant("store_kv", "", |_| true)?;
        let grid = [params.stride.div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers =
            vec![("k", k.range()), ("v", v.range()), ("keys", Range::whole(keys)), ("values", Range::whole(values))];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(context);
        Ok(())
    }

    pub(super) fn record_attention(
        &mut self,
        n: usize,
        layer: usize,
        q: BufferId,
        a: Attention,
        out: BufferId,
    ) -> Result<()> {
        let (layer, context) = self.attended(layer, a)?;
        let (keys, values) = layer.pair()?;
        let width = a.heads * a.head_dim;
        let source = self.activation_of(q, n, width)?;
        let target = self.activation_of(out, n, width)?;
        let (variant, lane) = lanes("attention", a.head_dim)?;
        let params = params::Attention {
            group: to_u32(a.heads / a.kv_heads, "group")?,
            lanes: to_u32(a.head_dim / lane, "lanes")?,
            stride: to_u32(source.stride / lane, "stride")?,
            out_stride: to_u32(target.stride / lane, "stride")?,
            cache_stride: to_u32(layer.stride / lane, "stride")?,
            scale: a.scale,
            window: window(a),
            cap: a.soft_cap.unwrap_or(0.0),
        };
        let buffers = vec![
            ("keys", Range::whole(keys)),
            ("values", Range::whole(values)),
            ("q", source.range()),
            ("out", target.range()),
        ];
        let grid = [to_u32(a.heads, "heads")?, to_u32(n, "rows")?, 1];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(context);
        Ok(())
    }

    pub(super) fn record_attend(
        &mut self,
        n: usize,
        layer: usize,
        qkv: [BufferId; 3],
        mut a: Attend,
        out: BufferId,
    ) -> Result<()> {
        if !self.are_side_by_side(n, qkv, a.shape)? || a.shape.head_dim > MAX_HEAD {
            return attend_in_steps(self, n, layer, qkv, a, out);
        }
        // norms of whole rows come first
        for (norm, x) in [(&mut a.q_norm, qkv[0]), (&mut a.k_norm, qkv[1])] {
            if let Some(id) = *norm
                && self.vector(id)?.len != a.shape.head_dim
            {
                self.record_norm_heads(n, x, id, a.eps)?;
                *norm = None;
            }
        }
        if n == 1 {
            return self.record_attend_row(layer, qkv, a, out);
        }
        self.record_place(n, layer, qkv, a)?;
        self.record_attention(n, layer, qkv[0], a.shape, out)
    }

    /// One dispatch for a single row.
    fn record_attend_row(&mut self, layer: usize, qkv: [BufferId; 3], a: Attend, out: BufferId) -> Result<()> {
        let (layer, context) = self.attended(layer, a.shape)?;
        let (keys, values) = layer.pair()?;
        let heads = self.heads(qkv, a)?;
        let target = self.activation_of(out, 1, a.shape.heads * a.shape.head_dim)?;
        let (variant, lane) = lanes("attend", a.shape.head_dim)?;
        let params = params::Attend {
            group: to_u32(a.shape.heads / a.shape.kv_heads, "group")?,
            head_dim: to_u32(a.shape.head_dim, "head_dim")?,
            stride: to_u32(heads.qkv.stride, "stride")?,
            k_at: heads.k_at,
            v_at: heads.v_at,
            pairs: heads.pairs.pairs,
            distance: heads.pairs.distance,
            pair_stride: heads.pairs.pair_stride,
            normed: heads.normed,
            eps: a.eps,
            cache_stride: to_u32(layer.stride / lane, "stride")?,
            lanes: to_u32(a.shape.head_dim / lane, "lanes")?,
            scale: a.shape.scale,
            window: window(a.shape),
            cap: a.shape.soft_cap.unwrap_or(0.0),
        };
        let buffers = vec![
            ("keys", Range::whole(keys)),
            ("values", Range::whole(values)),
            ("qkv", heads.qkv.range()),
            ("out", target.range()),
            ("table", heads.table),
            ("q_norm", heads.q_norm),
            ("k_norm", heads.k_norm),
        ];
        let positions = heads.positions;
        self.plan(variant, params, buffers, [to_u32(a.shape.heads, "heads")?, 1, 1])?;
        self.limit_positions(context, positions)
    }

    /// Norms and rotates queries in place, keys and values on their way to the cache.
    fn record_place(&mut self, n: usize, layer: usize, qkv: [BufferId; 3], a: Attend) -> Result<()> {
        let (layer, context) = self.attended(layer, a.shape)?;
        let (keys, values) = layer.pair()?;
        let heads = self.heads(qkv, a)?;
        let params = params::Place {
            group: to_u32(a.shape.heads / a.shape.kv_heads, "group")?,
            head_dim: to_u32(a.shape.head_dim, "head_dim")?,
            stride: to_u32(heads.qkv.stride, "stride")?,
            k_at: heads.k_at,
            v_at: heads.v_at,
            pairs: heads.pairs.pairs,
            distance: heads.pairs.distance,
            pair_stride: heads.pairs.pair_stride,
            normed: heads.normed,
            eps: a.eps,
            cache_stride: to_u32(layer.stride, "stride")?,
        };
        let buffers = vec![
            ("keys", Range::whole(keys)),
            ("values", Range::whole(values)),
            ("qkv", heads.qkv.range()),
            ("table", heads.table),
            ("q_norm", heads.q_norm),
            ("k_norm", heads.k_norm),
        ];
        let positions = heads.positions;
        let grid = [to_u32(a.shape.heads, "heads")?, to_u32(n, "rows")?, 1];
        self.plan(variant("place", "", |_| true)?, params, buffers, grid)?;
        self.limit_positions(context, positions)
    }

    fn limit_positions(&mut self, context: usize, table: Option<usize>) -> Result<()> {
        let recording = self.recording()?;
        recording.limit_positions(context);
        table.into_iter().for_each(|positions| recording.limit_positions(positions));
        Ok(())
    }

    /// A layer's cache, if an attention of this shape fits it, and how many positions it has.
    fn attended(&self, layer: usize, a: Attention) -> Result<(&LayerCache, usize)> {
        let cache = self.cache()?;
        let layer = cache.layer(layer)?;
        let grouped = a.kv_heads != 0 && a.heads.is_multiple_of(a.kv_heads);
        let fits = a.kv_heads.checked_mul(a.head_dim) == Some(layer.width) && a.window != Some(0);
        if !grouped || a.head_dim == 0 || !fits {
            return Err(internal(format!("{a:?} does not fit a cache {} wide", layer.width)));
        }
        Ok((layer, cache.context))
    }

    /// Whether queries, keys and values are parts of the same rows, queries first.
    fn are_side_by_side(&self, n: usize, [q, k, v]: [BufferId; 3], a: Attention) -> Result<bool> {
        let kv_width = a.kv_heads.saturating_mul(a.head_dim);
        let q = self.activation_of(q, n, a.heads.saturating_mul(a.head_dim))?;
        let (k, v) = (self.activation_of(k, n, kv_width)?, self.activation_of(v, n, kv_width)?);
        Ok(q.offset == 0 && q.buffer == k.buffer && q.buffer == v.buffer)
    }

    fn heads(&self, [q, k, v]: [BufferId; 3], a: Attend) -> Result<Heads<'_>> {
        let (qkv, k, v) = (self.activation(q, 1)?, self.activation(k, 1)?, self.activation(v, 1)?);
        // a slot that is not read is bound all the same
        let unread = Range::whole(&self.best);
        let (mut table, mut positions) = (unread.clone(), None);
        let mut pairs = Pairs { pairs: 0, distance: 0, pair_stride: 0 };
        if let Some(rope) = a.rope {
            let (found, count) = self.rope_table(rope, a.shape.head_dim)?;
            (table, positions, pairs) = (Range::whole(&found.buffer), Some(count), Pairs::of(rope)?);
        }
        let norm = |id: Option<VectorId>| match id {
            Some(id) => self.norm_of_head(id, a.shape.head_dim),
            None => Ok(unread.clone()),
        };
        Ok(Heads {
            k_at: to_u32(k.offset, "offset")?,
            v_at: to_u32(v.offset, "offset")?,
            q_norm: norm(a.q_norm)?,
            k_norm: norm(a.k_norm)?,
            normed: u32::from(a.q_norm.is_some()) | u32::from(a.k_norm.is_some()) << 1,
            table,
            qkv,
            pairs,
            positions,
        })
    }

    fn norm_of_head(&self, id: VectorId, head_dim: usize) -> Result<Range> {
        let weight = self.vector(id)?;
        if weight.len != head_dim {
            return Err(internal(format!("a norm of {} for heads of {head_dim}", weight.len)));
        }
        Ok(Range::whole(&weight.buffer))
    }
}

/// The variant of an op for heads of `head_dim`, and its elements a lane.
fn lanes(op: &str, head_dim: usize) -> Result<(&'static Variant, usize)> {
    let lane = if head_dim.is_multiple_of(LANES) { LANES } else { 1 };
    let variant = variant(op, "", |v| v.has("LANE", lane as u32))?;
    let threads = variant.workgroup[0] as usize;
    if head_dim / lane > threads {
        return Err(internal(format!("head_dim is {head_dim}, above {}", threads * lane)));
    }
    Ok((variant, lane))
}

fn window(a: Attention) -> u32 {
    a.window.and_then(|w| u32::try_from(w).ok()).unwrap_or(u32::MAX)
}
