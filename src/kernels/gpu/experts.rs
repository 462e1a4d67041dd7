//! Operations of mixtures of experts.

use super::ops::LANES;
use super::variants::{params, variant};
use super::weights::BLOCK;
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{BufferId, MatrixId};

impl Gpu {
    pub(super) fn record_route(&mut self, n: usize, logits: BufferId, routes: BufferId) -> Result<()> {
        let (logits, routes) = (self.activation(logits, n)?, self.activation(routes, n)?);
        let (experts, used) = (logits.width, routes.width / 2);
        if routes.width != 2 * used || used == 0 || used > experts {
            return Err(internal(format!("routes {} wide for {experts} experts", routes.width)));
        }
        let params = params::Route {
            n: to_u32(n, "rows")?,
            experts: to_u32(experts, "experts")?,
            used: to_u32(used, "experts")?,
            stride: to_u32(logits.stride, "stride")?,
            routes_stride: to_u32(routes.stride, "stride")?,
        };
        let variant = variant("route", "")?;
        let grid = [params.n.div_ceil(variant.workgroup[0]), 1, 1];
        let buffers = vec![("logits", logits.range()), ("routes", routes.range())];
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_matmul_experts(
        &mut self,
        n: usize,
        w: MatrixId,
        x: BufferId,
        routes: BufferId,
        out: BufferId,
    ) -> Result<()> {
        let matrix = self.matrix(w)?;
        let routes = self.activation(routes, n)?;
        let used = routes.width / 2;
        let (source, target) = (self.activation(x, n)?, self.activation_of(out, n, used * matrix.each)?);
        // a slot's last block would reach into the next slot
        let is_own = source.width == used * matrix.cols && matrix.cols.is_multiple_of(BLOCK);
        if source.width != matrix.cols && !is_own {
            return Err(internal(format!("experts of {} columns read rows of {}", matrix.cols, source.width)));
        }
        let variant = variant("matmul_experts", &matrix.format)?;
        let slot_stride = if source.width == matrix.cols { 0 } else { matrix.cols / LANES };
        let rows = to_u32(matrix.each, "rows")?;
        let grid = [rows.div_ceil(variant.workgroup[0]), to_u32(used, "experts")?, to_u32(n, "rows")?];
        let mut dispatches = Vec::new();
        for chunk in &matrix.chunks {
            let params = params::MatmulExperts {
                used: to_u32(used, "experts")?,
                rows,
                expert_stride: to_u32(matrix.expert_stride(), "rows")?,
                x_stride: to_u32(source.stride / LANES, "stride")?,
                slot_stride: to_u32(slot_stride, "stride")?,
                routes_stride: to_u32(routes.stride, "stride")?,
                out_stride: to_u32(target.stride, "stride")?,
                blocks: to_u32(matrix.blocks(), "blocks")?,
                first_row: to_u32(chunk.first_row, "first row")?,
                chunk_rows: to_u32(chunk.rows, "rows")?,
            };
            let mut buffers = chunk.bindings();
            buffers.push(("x", source.range()));
            buffers.push(("routes", routes.range()));
            buffers.push(("out", target.range()));
            dispatches.push((params, buffers));
        }
        let (overrides, read) = (matrix.overrides.clone(), matrix.row_bytes((n * used * matrix.each) as u64));
        let count = dispatches.len();
        for (params, buffers) in dispatches {
            self.plan_with(variant, overrides.clone(), params, buffers, grid)?;
        }
        self.recording()?.reads_weights(count, read, 1); // those of each row
        Ok(())
    }

    pub(super) fn record_mix_experts(&mut self, n: usize, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        let (target, routes) = (self.activation(out, n)?, self.activation(routes, n)?);
        let used = routes.width / 2;
        let source = self.activation_of(x, n, used * target.width)?;
        let params = params::MixExperts {
            n: to_u32(n, "rows")?,
            width: to_u32(target.width, "width")?,
            used: to_u32(used, "experts")?,
            x_stride: to_u32(source.stride, "stride")?,
            routes_stride: to_u32(routes.stride, "stride")?,
            out_stride: to_u32(target.stride, "stride")?,
        };
        let variant = variant("mix_experts", "")?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        let buffers = vec![("x", source.range()), ("routes", routes.range()), ("out", target.range())];
        self.plan(variant, params, buffers, grid)
    }
}
