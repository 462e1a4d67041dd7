//! What a GPU's buffers hold of a model.

use super::ROW_ALIGN;
use super::device::{MAX_CHUNK_BYTES, Options, buffer_bytes};
use super::weights::Plan;
use crate::error::Result;
use crate::kernels::footprint::{BufferLimits, Footprint, Size};
use crate::kernels::{Backend, CacheShape, KvType};
use crate::quant::TensorType;

/// The [`Footprint`] of [`super::Gpu`] with the default [`Options`].
pub struct GpuFootprint {
    options: Options,
}

impl GpuFootprint {
    /// On a device with these limits.
    pub fn new(limits: BufferLimits) -> Self {
        let options = Options::default();
        let chunk_bytes = options.chunk_bytes.min(MAX_CHUNK_BYTES).min(limits.bindable());
        Self { options: Options { chunk_bytes, ..options } }
    }
}

fn buffer(rows: usize, len: usize) -> Size {
    Size::one(buffer_bytes(Size::floats(rows as u64, len as u64).total))
}

impl Footprint for GpuFootprint {
    fn max_rows(&self) -> usize {
        self.options.max_rows
    }

    fn matrices(&mut self, ty: TensorType, experts: usize, rows: usize, cols: usize) -> Result<Size> {
        let plan = Plan::new("a matrix", ty, experts, rows, cols, self.options.chunk_bytes)?;
        Ok(plan.chunks().map(|(_, rows)| Size::one(buffer_bytes(plan.chunk(rows).1))).sum())
    }

    fn vector(&self, len: usize) -> Size {
        buffer(1, len)
    }

    fn buffer(&self, rows: usize, width: usize) -> Size {
        buffer(rows, width.next_multiple_of(ROW_ALIGN))
    }

    fn kv_types(&self) -> &'static [KvType] {
        super::Gpu::KV_TYPES
    }

    fn cache(&self, context: usize, layers: &[CacheShape], _kv: KvType) -> Size {
        let layer = |shape: &CacheShape| match *shape {
            CacheShape::KeysValues { heads, head_dim } => self.buffer(context, heads * head_dim).times(2),
            CacheShape::Rows(width) => self.buffer(context, width),
        };
        layers.iter().map(layer).sum()
    }
}
