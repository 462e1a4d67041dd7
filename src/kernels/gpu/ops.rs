//! The operations as dispatches: each picks a variant, fills its parameters and names its buffers.

use super::memory::Vector;
use super::program::Range;
use super::variants::{params, variant};
use super::weights::Matrix;
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{BufferId, MatrixId, Rope, RopeKind, VectorId};

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

    pub(super) fn record_embed(&mut self, n: usize, table: MatrixId, factor: f32, out: BufferId) -> Result<()> {
        let matrix = self.matrix(table)?;
        let rows = matrix.rows;
        let read = matrix.row_bytes(n as u64);
        let target = self.activation_of(out, n, matrix.cols)?;
        let variant = variant("embed", &matrix.format)?;
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
                factor,
            };
            let mut buffers = chunk.bindings();
            buffers.push(("out", target.range()));
            dispatches.push((params, buffers));
        }
        let overrides = matrix.overrides.clone();
        let count = dispatches.len();
        for (params, buffers) in dispatches {
            self.plan_with(variant, overrides.clone(), params, buffers, grid)?;
        }
        let recording = self.recording()?;
        recording.limit_tokens(rows);
        recording.reads_weights(count, read, 1); // of each row of the step another one
        Ok(())
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
        let source = self.activation_of(x, first.saturating_add(n), weight.len)?.whole_rows()?;
        let target = self.activation_of(out, n, weight.len)?.whole_rows()?;
        let params = params::RmsNorm {
            width: to_u32(weight.len, "width")?,
            stride: to_u32(source.stride, "stride")?,
            first: to_u32(first, "first row")?,
            eps,
        };
        let buffers = vec![("weight", Range::whole(&weight.buffer)), ("x", source.range()), ("out", target.range())];
        let grid = [to_u32(n, "rows")?, 1, 1];
        self.plan(self.device.variant("rms_norm", "")?, params, buffers, grid)
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
        let (table, positions) = self.rope_table(rope, head_dim)?;
        let Pairs { pairs, distance, pair_stride } = Pairs::of(rope)?;
        let params = params::Rope {
            n: to_u32(n, "rows")?,
            heads: to_u32(heads, "heads")?,
            head_dim: to_u32(head_dim, "head_dim")?,
            pairs,
            stride: to_u32(activation.stride, "stride")?,
            distance,
            pair_stride,
        };
        let variant = variant("rope", "")?;
        let grid = [(params.heads * pairs).div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![("table", Range::whole(&table.buffer)), ("x", activation.range())];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(positions);
        Ok(())
    }

    /// The table of a rotary embedding of heads of `head_dim`, and how many positions it has.
    pub(super) fn rope_table(&self, rope: Rope, head_dim: usize) -> Result<(&Vector, usize)> {
        let table = self.vector(rope.table)?;
        let (dims, len) = (rope.dims, table.len);
        if dims == 0 || !dims.is_multiple_of(2) || dims > head_dim || !len.is_multiple_of(dims) {
            return Err(internal(format!("rope of {dims} of {head_dim} elements with a table of {len}")));
        }
        Ok((table, len / dims))
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
        let source = self.activation_of(x, n, layer.width)?.whole_rows()?;
        let target = self.activation_of(out, n, layer.width)?.whole_rows()?;
        if taps.len == 0 || !taps.len.is_multiple_of(layer.width) {
            return Err(internal(format!("{} taps for {} channels", taps.len, layer.width)));
        }
        let params = params::ShortConv {
            n: to_u32(n, "rows")?,
            width: to_u32(layer.width, "width")?,
            stride: to_u32(source.stride, "stride")?,
            count: to_u32(taps.len / layer.width, "taps")?,
        };
        let variant = variant("short_conv", "")?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![
            ("taps", Range::whole(&taps.buffer)),
            ("rows", Range::whole(&layer.keys)),
            ("x", source.range()),
            ("out", target.range()),
        ];
        self.plan(variant, params, buffers, grid)?;
        self.recording()?.limit_positions(context);
        Ok(())
    }

    pub(super) fn record_argmax(&mut self, x: BufferId) -> Result<()> {
        let source = self.activation(x, 1)?;
        let params = params::Argmax { width: to_u32(source.width, "width")? };
        let buffers = vec![("x", source.range()), ("best", Range::whole(&self.best))];
        self.recording()?.leaves_best();
        self.plan(variant("argmax", "")?, params, buffers, [1, 1, 1])
    }
}

/// Which elements of a head rotate together, as shaders count them.
pub(super) struct Pairs {
    pub(super) pairs: u32,
    /// From the first element of a pair to the second.
    pub(super) distance: u32,
    /// From the first element of a pair to that of the next pair.
    pub(super) pair_stride: u32,
}

impl Pairs {
    pub(super) fn of(rope: Rope) -> Result<Self> {
        let pairs = to_u32(rope.dims / 2, "pairs")?;
        Ok(match rope.kind {
            RopeKind::Norm => Self { pairs, distance: 1, pair_stride: 2 },
            RopeKind::Neox => Self { pairs, distance: pairs, pair_stride: 1 },
        })
    }
}
