//! Operations that go over activations element by element, or head by head.

use super::memory::Activation;
use super::ops::LANES;
use super::program::Range;
use super::variants::{params, variant};
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Activation as Gate, BufferId, VectorId};

impl Gpu {
    pub(super) fn record_gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Gate) -> Result<()> {
        let (gate, up) = self.pair(n, gate, up)?;
        let params = params::Gated { count: vectors(n, gate)? };
        let buffers = vec![("gate", Range::whole(&gate.buffer)), ("up", Range::whole(&up.buffer))];
        // as the lines of `build.rs` number them
        let number = match activation {
            Gate::Identity => 0,
            Gate::Silu => 1,
            Gate::GeluTanh => 2,
            Gate::ReluSquared => 3,
        };
        let variant = variant("gated", "", |v| v.has("ACTIVATION", number))?;
        let grid = self.grid(params.count.div_ceil(variant.workgroup[0]));
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()> {
        let (x, y) = self.pair(n, x, y)?;
        let params = params::Add { count: vectors(n, x)? };
        let buffers = vec![("x", Range::whole(&x.buffer)), ("y", Range::whole(&y.buffer))];
        let variant = variant("add", "", |_| true)?;
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
        let buffers = vec![("bias", Range::whole(&bias.buffer)), ("x", Range::whole(&x.buffer))];
        let variant = variant("add_bias", "", |_| true)?;
        let grid = [params.width.div_ceil(variant.workgroup[0]), params.n, 1];
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()> {
        let x = self.activation(x, n)?;
        let params = params::Scale { count: vectors(n, x)?, factor };
        let buffers = vec![("x", Range::whole(&x.buffer))];
        let variant = variant("scale", "", |_| true)?;
        let grid = self.grid(params.count.div_ceil(variant.workgroup[0]));
        self.plan(variant, params, buffers, grid)
    }

    pub(super) fn record_soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()> {
        let x = self.activation(x, n)?;
        let params = params::SoftCap { count: to_u32(n * x.stride, "elements")?, cap };
        let buffers = vec![("x", Range::whole(&x.buffer))];
        let variant = variant("soft_cap", "", |_| true)?;
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
        let buffers = vec![("weight", Range::whole(&weight.buffer)), ("x", Range::whole(&x.buffer))];
        self.plan(variant("norm_heads", "", |_| true)?, params, buffers, grid)
    }

    /// Two activations of one width.
    fn pair(&self, n: usize, a: BufferId, b: BufferId) -> Result<(&Activation, &Activation)> {
        let a = self.activation(a, n)?;
        Ok((a, self.activation_of(b, n, a.width)?))
    }
}

/// Vectors of four in the first n rows.
fn vectors(n: usize, of: &Activation) -> Result<u32> {
    to_u32(n * of.stride / LANES, "elements")
}
