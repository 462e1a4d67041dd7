//! Operations that go over activations element by element, or head by head.

use super::memory::Activation;
use super::ops::LANES;
use super::program::Range;
use super::variants::{params, variant};
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Activation as Gate, BufferId, Joint, VectorId};

impl Gpu {
    pub(super) fn record_gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Gate) -> Result<()> {
        let (gate, up) = self.pair(n, gate, up)?;
        let params = params::Gated { count: vectors(n, gate)? };
        let buffers = vec![("gate", gate.range()), ("up", up.range())];
        let variant = variant("gated", "")?;
        let grid = self.grid(params.count.div_ceil(variant.workgroup[0]));
        self.plan_with(variant, vec![("ACTIVATION", activation_number(activation))], params, buffers, grid)
    }

    pub(super) fn record_add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()> {
        let (x, y) = self.pair(n, x, y)?;
        let params = params::Add { count: vectors(n, x)? };
        let buffers = vec![("x", x.range()), ("y", y.range())];
        let variant = variant("add", "")?;
        let grid = self.grid(params.count.div_ceil(variant.workgroup[0]));
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_add_bias(&mut self, n: usize, x: BufferId, bias: VectorId) -> Result<()> {
        let bias = self.vector(bias)?;
        let x = self.activation_of(x, n, bias.len)?;
        let params = params::AddBias {
            n: to_u32(n, "rows")?,
            width: to_u32(bias.len, "width")?,
            stride: to_u32(x.stride, "stride")?,
        };
        let buffers = vec![("bias", Range::whole(&bias.buffer)), ("x", x.range())];
        let variant = variant("add_bias", "")?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()> {
        let x = self.activation(x, n)?;
        let params = params::Scale {
            n: to_u32(n, "rows")?,
            width: to_u32(x.width, "width")?,
            stride: to_u32(x.stride, "stride")?,
            factor,
        };
        let buffers = vec![("x", x.range())];
        let variant = variant("scale", "")?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()> {
        let x = self.activation(x, n)?.whole_rows()?;
        let params = params::SoftCap { count: to_u32(n * x.stride, "elements")?, cap };
        let buffers = vec![("x", x.range())];
        let variant = variant("soft_cap", "")?;
        let grid = self.grid(params.count.div_ceil(variant.workgroup[0]));
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_norm_heads(&mut self, n: usize, x: BufferId, weight: VectorId, eps: f32) -> Result<()> {
        let (x, weight) = (self.activation(x, n)?, self.vector(weight)?);
        if weight.len == 0 || !x.width.is_multiple_of(weight.len) {
            return Err(internal(format!("a norm of {} for rows of {}", weight.len, x.width)));
        }
        let params =
            params::NormHeads { length: to_u32(weight.len, "length")?, stride: to_u32(x.stride, "stride")?, eps };
        let grid = [to_u32(x.width / weight.len, "heads")?, to_u32(n, "rows")?, 1];
        let buffers = vec![("weight", Range::whole(&weight.buffer)), ("x", x.range())];
        self.plan(self.device.variant("norm_heads", "")?, params, buffers, grid)
    }

    pub(super) fn record_add_norm(
        &mut self,
        n: usize,
        first: usize,
        x: BufferId,
        delta: BufferId,
        j: Joint,
        out: BufferId,
    ) -> Result<()> {
        let rows = first.saturating_add(n);
        let (x, delta) = self.pair(rows, x, delta)?;
        let out = self.activation_of(out, n, x.width)?.whole_rows()?;
        let norm = |id: Option<VectorId>| -> Result<Range> {
            // a slot that is not read is bound all the same
            let Some(id) = id else { return Ok(delta.range()) };
            let weight = self.vector(id)?;
            if weight.len != x.width {
                return Err(internal(format!("a norm of {} for rows of {}", weight.len, x.width)));
            }
            Ok(Range::whole(&weight.buffer))
        };
        let params = params::AddNorm {
            width: to_u32(x.width, "width")?,
            stride: to_u32(x.stride, "stride")?,
            first: to_u32(first, "first row")?,
            eps: j.eps,
            factor: j.scale.unwrap_or(1.0),
            is_normed: j.post_norm.is_some().into(),
            has_out: j.next_norm.is_some().into(),
        };
        let buffers = vec![
            ("weight", norm(j.next_norm)?),
            ("post", norm(j.post_norm)?),
            ("delta", delta.range()),
            ("out", out.range()),
            ("x", x.range()),
        ];
        self.plan(self.device.variant("add_norm", "")?, params, buffers, [to_u32(n, "rows")?, 1, 1])
    }

    /// Two activations of one width.
    fn pair(&self, n: usize, a: BufferId, b: BufferId) -> Result<(&Activation, &Activation)> {
        let a = self.activation(a, n)?.whole_rows()?;
        Ok((a, self.activation_of(b, n, a.width)?.whole_rows()?))
    }
}

/// Vectors of four in the first n rows.
fn vectors(n: usize, of: &Activation) -> Result<u32> {
    to_u32(n * of.stride / LANES, "elements")
}

/// What `shared/activate.wgsl` calls an activation.
pub(super) fn activation_number(activation: Gate) -> f64 {
    match activation {
        Gate::Identity => 0.0,
        Gate::Silu => 1.0,
        Gate::GeluTanh => 2.0,
        Gate::ReluSquared => 3.0,
    }
}
