//! The operations as dispatches: each picks a variant, fills its parameters and names its buffers.

use super::device::Tiling;
use super::program::Range;
use super::variants::{Variant, params, variant, variants_of};
use super::weights::Matrix;
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Attention, BufferId, MatrixId, Rope, RopeKind, VectorId};

/// Below this many rows, one invocation a row leaves a large GPU idle.
const SPLIT_BELOW_ROWS: usize = 4096;
/// Elements in a vec4.
pub(super) const LANES: usize = 4;

impl Gpu {
    pub(super) fn matrix(&self, id: MatrixId) -> Result<&Matrix> {
        self.matrices.get(id.0).ok_or_else(|| internal(format!("no matrix {}", id.0)))
    }

    /// A two-dimensional grid of at least `groups` workgroups.
    pub(super) fn grid(&self, groups: u32) -> [u32; 3] {
        let x = groups.min(self.device.options.max_grid);
        [x, groups.div_ceil(x), 1]
    }

    pub(super) fn record_embed(&mut self, n: usize, table: MatrixId, out: BufferId) -> Result<()> {
        let matrix = self.matrix(table)?;
        let rows = matrix.rows;
        let read = matrix.row_bytes(n as u64);
        let target = self.activation_of(out, n, matrix.cols)?;
        let variant = variant("embed", &matrix.format, |_| true)?;
        let blocks = to_u32(matrix.blocks(), "blocks")?;
        let grid = [blocks.div_ceil(variant.workgroup[0]), to_u32(n, "rows")?, 1];
        let mut dispatches = Vec::new();
        for chunk in &matrix.chunks {
            let params = params::Embed {
                n: to_u32(n, "rows")?,
                cols: to_u32(matrix.cols, "columns")?,
                out_stride: to_u32(target.stride, "stride")?,
                blocks,
                first_row: to_u32(chunk.first_row, "first row")?,
                rows: to_u32(chunk.rows, "rows")?,
            };
            let mut buffers = matrix.bindings(chunk);
            buffers.push(("out", Range::whole(&target.buffer)));
            dispatches.push((params, buffers));
        }
        let overrides = matrix.overrides();
        for (params, buffers) in dispatches {
            self.plan_with(variant, overrides.clone(), params, buffers, grid)?;
        }
        let recording = self.recording()?;
        recording.limit_tokens(rows);
        recording.reads_weights(read);
        Ok(())
    }

    pub(super) fn record_matmul(&mut self, n: usize, w: MatrixId, x: BufferId, out: BufferId) -> Result<()> {
        let matrix = self.matrix(w)?;
        let source = self.activation_of(x, n, matrix.cols)?;
        let target = self.activation_of(out, n, matrix.rows)?;
        let variant = self.matmul_variant(n, matrix)?;
        let cols = variant.constant("COLS")?;
        let mut dispatches = Vec::new();
        for chunk in &matrix.chunks {
            let row_groups = to_u32(chunk.rows, "rows")?.div_ceil(variant.workgroup[0] * variant.constant("ROWS")?);
            let params = params::Matmul {
                n: to_u32(n, "rows")?,
                x_stride: to_u32(source.stride / LANES, "stride")?,
                out_stride: to_u32(target.stride, "stride")?,
                blocks: to_u32(matrix.blocks(), "blocks")?,
                first_row: to_u32(chunk.first_row, "first row")?,
                rows: to_u32(chunk.rows, "rows")?,
                row_groups,
            };
            let mut buffers = matrix.bindings(chunk);
            buffers.push(("x", Range::whole(&source.buffer)));
            buffers.push(("out", Range::whole(&target.buffer)));
            let [columns, lines, _] = self.grid(row_groups);
            dispatches.push((params, buffers, [columns, lines, params.n.div_ceil(cols)]));
        }
        let (overrides, read) = (matrix.overrides(), matrix.bytes());
        for (params, buffers, grid) in dispatches {
            self.plan_with(variant, overrides.clone(), params, buffers, grid)?;
        }
        self.recording()?.reads_weights(read);
        Ok(())
    }

    /// Of the variants of a tiling, the one with the fewest tokens an invocation that cover `n`, or else the most there
    /// are.
    fn matmul_variant(&self, n: usize, matrix: &Matrix) -> Result<&'static Variant> {
        let tiling = match self.device.options.tiling {
            Tiling::Auto if self.device.adapter.is_software => Tiling::Large,
            Tiling::Auto if matrix.rows < SPLIT_BELOW_ROWS => Tiling::Split,
            Tiling::Auto => Tiling::Small,
            chosen => chosen,
        };
        let mut best: Option<(u32, &'static Variant)> = None;
        for candidate in variants_of("matmul", &matrix.format) {
            let cols = candidate.constant("COLS")?;
            // only matrix-vector products come split
            let is_split = tiling == Tiling::Split && cols == 1;
            let is_large = tiling == Tiling::Large;
            if candidate.has("SPLIT", 1) == is_split || candidate.has("ROWS", 1) == is_large {
                continue;
            }
            let better =
                best.is_none_or(|(b, _)| if (b as usize) < n { cols > b } else { cols < b && cols as usize >= n });
            if better {
                best = Some((cols, candidate));
            }
        }
        best.map(|b| b.1).ok_or_else(|| internal("no variant of matmul"))
    }

    pub(super) fn record_rms_norm(
        &mut self,
        n: usize,
        x: BufferId,
        first: usize,
        weight: VectorId,
        eps: f32,
        out: BufferId,
    ) -> Result<()> {
        let weight = self.vector(weight)?;
        let source = self.activation_of(x, first.saturating_add(n), weight.len)?;
        let target = self.activation_of(out, n, weight.len)?;
        let params = params::RmsNorm {
            width: to_u32(weight.len, "width")?,
            stride: to_u32(source.stride, "stride")?,
            first: to_u32(first, "first row")?,
            eps,
        };
        let buffers = vec![
            ("weight", Range::whole(&weight.buffer)),
            ("x", Range::whole(&source.buffer)),
            ("out", Range::whole(&target.buffer)),
        ];
        let grid = [to_u32(n, "rows")?, 1, 1];
        self.plan(variant("rms_norm", "", |_| true)?, params, buffers, grid)
    }

    pub(super) fn record_rope(
        &mut self,
        n: usize,
        x: BufferId,
        heads: usize,
        head_dim: usize,
        rope: Rope,
    ) -> Result<()> {
        let activation = self.activation_of(x, n, heads.saturating_mul(head_dim))?;
        let table = self.vector(rope.table)?;
        if rope.dims == 0
            || !rope.dims.is_multiple_of(2)
            || rope.dims > head_dim
            || !table.len.is_multiple_of(rope.dims)
        {
            let (dims, len) = (rope.dims, table.len);
            return Err(internal(format!("rope of {dims} of {head_dim} elements with a table of {len}")));
        }
        let positions = table.len / rope.dims;
        let pairs = to_u32(rope.dims / 2, "pairs")?;
        let (distance, pair_stride) = match rope.kind {
            RopeKind::Norm => (1, 2),
            RopeKind::Neox => (pairs, 1),
        };
        let params = params::Rope {
            n: to_u32(n, "rows")?,
            heads: to_u32(heads, "heads")?,
            head_dim: to_u32(head_dim, "head_dim")?,
            pairs,
            stride: to_u32(activation.stride, "stride")?,
            distance,
            pair_stride,
        };
        let variant = variant("rope", "", |_| true)?;
        let grid = [(params.heads * pairs).div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![("table", Range::whole(&table.buffer)), ("x", Range::whole(&activation.buffer))];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(positions);
        Ok(())
    }

    pub(super) fn record_store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        let cache = self.cache()?;
        let context = cache.context;
        let layer = cache.layer(layer)?;
        let (keys, values) = layer.pair()?;
        let k = self.activation_of(k, n, layer.width)?;
        let v = self.activation_of(v, n, layer.width)?;
        let params = params::StoreKv { n: to_u32(n, "rows")?, stride: to_u32(layer.stride / LANES, "stride")? };
        let variant = variant("store_kv", "", |_| true)?;
        let grid = [params.stride.div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![
            ("k", Range::whole(&k.buffer)),
            ("v", Range::whole(&v.buffer)),
            ("keys", Range::whole(keys)),
            ("values", Range::whole(values)),
        ];
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
        let cache = self.cache()?;
        let context = cache.context;
        let grouped = a.kv_heads != 0 && a.heads.is_multiple_of(a.kv_heads);
        let layer = cache.layer(layer)?;
        let fits = a.kv_heads.checked_mul(a.head_dim) == Some(layer.width) && a.window != Some(0);
        if !grouped || a.head_dim == 0 || !fits {
            return Err(internal(format!("{a:?} does not fit a cache {} wide", layer.width)));
        }
        let (keys, values) = layer.pair()?;
        let width = a.heads * a.head_dim;
        let source = self.activation_of(q, n, width)?;
        let target = self.activation_of(out, n, width)?;
        let lane = if a.head_dim.is_multiple_of(LANES) { LANES } else { 1 };
        let variant = variant("attention", "", |v| v.has("LANE", lane as u32))?;
        let threads = variant.workgroup[0] as usize;
        if a.head_dim / lane > threads {
            return Err(internal(format!("head_dim is {}, above {}", a.head_dim, threads * lane)));
        }
        let params = params::Attention {
            group: to_u32(a.heads / a.kv_heads, "group")?,
            lanes: to_u32(a.head_dim / lane, "lanes")?,
            stride: to_u32(source.stride / lane, "stride")?,
            cache_stride: to_u32(layer.stride / lane, "stride")?,
            scale: a.scale,
            window: a.window.and_then(|w| u32::try_from(w).ok()).unwrap_or(u32::MAX),
            cap: a.soft_cap.unwrap_or(0.0),
        };
        let buffers = vec![
            ("keys", Range::whole(keys)),
            ("values", Range::whole(values)),
            ("q", Range::whole(&source.buffer)),
            ("out", Range::whole(&target.buffer)),
        ];
        let grid = [to_u32(a.heads, "heads")?, to_u32(n, "rows")?, 1];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(context);
        Ok(())
    }

    pub(super) fn record_short_conv(
        &mut self,
        n: usize,
        layer: usize,
        x: BufferId,
        taps: VectorId,
        out: BufferId,
    ) -> Result<()> {
        let cache = self.cache()?;
        let context = cache.context;
        let (layer, taps) = (cache.layer(layer)?, self.vector(taps)?);
        let source = self.activation_of(x, n, layer.width)?;
        let target = self.activation_of(out, n, layer.width)?;
        if taps.len == 0 || !taps.len.is_multiple_of(layer.width) {
            return Err(internal(format!("{} taps for {} channels", taps.len, layer.width)));
        }
        let params = params::ShortConv {
            n: to_u32(n, "rows")?,
            width: to_u32(layer.width, "width")?,
            stride: to_u32(layer.stride, "stride")?,
            count: to_u32(taps.len / layer.width, "taps")?,
        };
        let variant = variant("short_conv", "", |_| true)?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![
            ("taps", Range::whole(&taps.buffer)),
            ("rows", Range::whole(&layer.keys)),
            ("x", Range::whole(&source.buffer)),
            ("out", Range::whole(&target.buffer)),
        ];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(context);
        Ok(())
    }

    pub(super) fn record_argmax(&mut self, x: BufferId) -> Result<()> {
        let source = self.activation(x, 1)?;
        let params = params::Argmax { width: to_u32(source.width, "width")? };
        let buffers = vec![("x", Range::whole(&source.buffer)), ("best", Range::whole(&self.best))];
        self.recording()?.leaves_best();
        self.plan(variant("argmax", "", |_| true)?, params, buffers, [1, 1, 1])
    }
}
