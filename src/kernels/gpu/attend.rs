//! Attention: what queries and keys go through, the cache, and the sums over it.

use super::device::{HARDWARE_GROUPS, Options};
use super::memory::{Activation, CELL, Layout};
use super::ops::Pairs;
use super::program::Range;
use super::variants::{Flavour, VARIANTS, Variant, least_enough, params, variants_of};
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Attend, Attention, BufferId, CacheShape, VectorId, attend_in_steps};

/// The most elements a head has in `shared/head_values.wgsl`, and in `attention.wgsl`.
const MAX_HEAD: usize = 256;

/// What so many workgroups leave: a count each, and of each row a largest score, a sum of weights and a head.
fn partials_bytes(groups: u32, rows: u32, cells: usize) -> u64 {
    4 * u64::from(groups) * (1 + u64::from(rows) * (2 + 4 * cells as u64))
}

/// The most that a single token's attention over any of these layers leaves; see `shaders/attend.wgsl`.
pub(super) fn most_partials(options: &Options, layers: &[CacheShape]) -> Option<u64> {
    let groups = options.attention_groups.unwrap_or(HARDWARE_GROUPS);
    let cells = |shape: &CacheShape| match *shape {
        CacheShape::KeysValues { head_dim, .. } => Some(head_dim.min(MAX_HEAD).div_ceil(CELL)),
        CacheShape::Rows(_) => None,
    };
    let rows = VARIANTS.iter().filter(|v| v.op == "attend").filter_map(|v| rows_of(v).ok()).max()?;
    Some(partials_bytes(groups, rows, layers.iter().filter_map(cells).max()?))
}

/// Rows of queries that a workgroup of a variant takes.
fn rows_of(variant: &Variant) -> Result<u32> {
    Ok(variant.constant("ROWS")? * (variant.workgroup[0] / variant.constant("KEYS")?))
}

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

/// A layer of keys and values as shaders take it: see [`Layout`].
struct Cached {
    buffers: [(&'static str, Range); 2],
    context: usize,
    heads: u32,
    head_dim: u32,
    cells: u32,
    head_stride: u32,
    stride: u32,
    /// Slots of positions.
    slots: u32,
}

impl Gpu {
    pub(super) fn record_store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        let width = self.cache()?.layer(layer)?.width;
        let source = self.activation_of(k, n, width)?.whole_rows()?;
        let v = self.activation_of(v, n, width)?.whole_rows()?;
        let (variant, layer) = self.cached("store_kv", layer)?;
        let params = params::StoreKv {
            head_dim: layer.head_dim,
            stride: to_u32(source.stride, "stride")?,
            cells: layer.cells,
            head_stride: layer.head_stride,
            cache_stride: layer.stride,
            slots: layer.slots,
        };
        let [keys, values] = layer.buffers;
        let buffers = vec![("k", source.range()), ("v", v.range()), keys, values];
        self.plan(variant, params, buffers, [layer.heads, to_u32(n, "rows")?, 1])?;
        self.recording()?.limit_positions(layer.context);
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
        self.check_shape(layer, a)?;
        let width = a.heads * a.head_dim;
        let source = self.activation_of(q, n, width)?;
        let target = self.activation_of(out, n, width)?;
        let (variant, layer) = self.cached("attention", layer)?;
        let group = a.heads / a.kv_heads;
        let rows = to_u32(n * group, "rows")?;
        let params = params::Attention {
            rows,
            group: to_u32(group, "group")?,
            head_dim: layer.head_dim,
            stride: to_u32(source.stride, "stride")?,
            out_stride: to_u32(target.stride, "stride")?,
            cells: layer.cells,
            head_stride: layer.head_stride,
            cache_stride: layer.stride,
            slots: layer.slots,
            scale: a.scale,
            window: window(a),
            cap: a.soft_cap.unwrap_or(0.0),
        };
        let [keys, values] = layer.buffers;
        let buffers = vec![keys, values, ("q", source.range()), ("out", target.range())];
        let grid = [layer.heads, rows.div_ceil(rows_of(variant)?), 1];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(layer.context);
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
        self.check_shape(layer, a.shape)?;
        let group = to_u32(a.shape.heads / a.shape.kv_heads, "group")?;
        let (_, kept) = self.cached("store_kv", layer)?;
        let variant = self.attend_variant(group)?;
        let groups = kept.heads * group.div_ceil(rows_of(variant)?);
        let splits = (self.device.attention_groups() / groups).clamp(1, variant.constant("MAX_SPLITS")?);
        let partials = self.partials.as_ref().ok_or_else(|| internal("no partials"))?;
        if splits > 1 && partials_bytes(groups * splits, rows_of(variant)?, kept.cells as usize) > partials.size() {
            return Err(internal(format!("{groups} x {splits} workgroups leave too much")));
        }
        let partials = Range::whole(partials);
        let heads = self.heads(qkv, a)?;
        let target = self.activation_of(out, 1, a.shape.heads * a.shape.head_dim)?;
        let layer = kept;
        let params = params::Attend {
            group,
            head_dim: layer.head_dim,
            stride: to_u32(heads.qkv.stride, "stride")?,
            k_at: heads.k_at,
            v_at: heads.v_at,
            pairs: heads.pairs.pairs,
            distance: heads.pairs.distance,
            pair_stride: heads.pairs.pair_stride,
            normed: heads.normed,
            eps: a.eps,
            cells: layer.cells,
            head_stride: layer.head_stride,
            cache_stride: layer.stride,
            slots: layer.slots,
            scale: a.shape.scale,
            window: window(a.shape),
            cap: a.shape.soft_cap.unwrap_or(0.0),
            splits,
        };
        let [keys, values] = layer.buffers;
        let buffers = vec![
            keys,
            values,
            ("partials", partials),
            ("qkv", heads.qkv.range()),
            ("out", target.range()),
            ("table", heads.table),
            ("q_norm", heads.q_norm),
            ("k_norm", heads.k_norm),
        ];
        let positions = heads.positions;
        self.plan(variant, params, buffers, [groups, splits, 1])?;
        self.limit_positions(layer.context, positions)
    }

    /// Of the variants of `attend`, the one with the fewest rows that a group fits into, or else the most there are.
    fn attend_variant(&self, group: u32) -> Result<&'static Variant> {
        let kv = self.cache()?.kv.name();
        let with_subgroups = self.device.extensions().subgroups;
        let candidates = variants_of("attend", kv).filter(|v| (v.flavour == Flavour::Subgroups) == with_subgroups);
        let sizes = candidates.map(|v| Ok((rows_of(v)?, v))).collect::<Result<Vec<_>>>()?;
        least_enough(group, sizes).ok_or_else(|| internal(format!("no variant of attend for {kv}")))
    }

    /// Norms and rotates queries in place, keys and values on their way to the cache.
    fn record_place(&mut self, n: usize, layer: usize, qkv: [BufferId; 3], a: Attend) -> Result<()> {
        self.check_shape(layer, a.shape)?;
        let heads = self.heads(qkv, a)?;
        let (variant, layer) = self.cached("place", layer)?;
        let params = params::Place {
            group: to_u32(a.shape.heads / a.shape.kv_heads, "group")?,
            head_dim: layer.head_dim,
            stride: to_u32(heads.qkv.stride, "stride")?,
            k_at: heads.k_at,
            v_at: heads.v_at,
            pairs: heads.pairs.pairs,
            distance: heads.pairs.distance,
            pair_stride: heads.pairs.pair_stride,
            normed: heads.normed,
            eps: a.eps,
            cells: layer.cells,
            head_stride: layer.head_stride,
            cache_stride: layer.stride,
            slots: layer.slots,
        };
        let [keys, values] = layer.buffers;
        let buffers = vec![
            keys,
            values,
            ("qkv", heads.qkv.range()),
            ("table", heads.table),
            ("q_norm", heads.q_norm),
            ("k_norm", heads.k_norm),
        ];
        let positions = heads.positions;
        let grid = [to_u32(a.shape.heads, "heads")?, to_u32(n, "rows")?, 1];
        self.plan(variant, params, buffers, grid)?;
        self.limit_positions(layer.context, positions)
    }

    fn limit_positions(&mut self, context: usize, table: Option<usize>) -> Result<()> {
        let recording = self.recording()?;
        recording.limit_positions(context);
        table.into_iter().for_each(|positions| recording.limit_positions(positions));
        Ok(())
    }

    /// Refuses an attention whose shape is not that of the layer's cache.
    fn check_shape(&self, layer: usize, a: Attention) -> Result<()> {
        let cache = self.cache()?;
        let Layout { heads, head_dim, window, wraps, .. } = cache.layer(layer)?.layout;
        let grouped = a.kv_heads != 0 && a.heads.is_multiple_of(a.kv_heads);
        if !grouped || (a.kv_heads, a.head_dim) != (heads, head_dim) || a.window == Some(0) {
            return Err(internal(format!("{a:?} does not fit a cache of {heads} heads of {head_dim}")));
        }
        if wraps && a.window != window {
            return Err(internal(format!("{a:?} over a cache for a window of {window:?}")));
        }
        Ok(())
    }

    /// The variant of an op for the type of the cache, and a layer of keys and values.
    fn cached(&self, op: &str, layer: usize) -> Result<(&'static Variant, Cached)> {
        let cache = self.cache()?;
        let layer = cache.layer(layer)?;
        let Layout { heads, head_dim, cells, head_stride, stride, positions, .. } = layer.layout;
        if head_dim == 0 || head_dim > MAX_HEAD {
            return Err(internal(format!("head_dim is {head_dim}, not 1 to {MAX_HEAD}")));
        }
        let (keys, values) = layer.pair()?;
        let layer = Cached {
            buffers: [("keys", Range::whole(keys)), ("values", Range::whole(values))],
            context: cache.context,
            heads: to_u32(heads, "heads")?,
            head_dim: to_u32(head_dim, "head_dim")?,
            cells: to_u32(cells, "cells")?,
            head_stride: to_u32(head_stride, "stride")?,
            stride: to_u32(stride, "stride")?,
            slots: to_u32(positions, "positions")?,
        };
        Ok((self.device.variant(op, cache.kv.name())?, layer))
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

fn window(a: Attention) -> u32 {
    a.window.and_then(|w| u32::try_from(w).ok()).unwrap_or(u32::MAX)
}
