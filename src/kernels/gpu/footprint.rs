//! What a GPU's buffers hold of a model.

use super::device::{MAX_CHUNK_BYTES, Options, buffer_bytes};
use super::memory::{Layout, slack};
use super::weights::{Plan, StackPlan};
use super::{PART_ALIGN, ROW_ALIGN};
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
        Ok(plan.chunks().map(|(_, rows)| Size::one(buffer_bytes(plan.chunk_bytes(rows)))).sum())
    }

    fn stack(&mut self, parts: &[(TensorType, usize)], cols: usize) -> Result<Size> {
        let (mut size, mut left) = (Size::default(), parts);
        while let [(ty, rows), later @ ..] = left {
            left = match StackPlan::new("a stack", left, cols, self.options.chunk_bytes)? {
                Some(plan) => {
                    size += Size::one(buffer_bytes(plan.bytes));
                    &left[plan.parts()..]
                }
                None => {
                    size += self.matrices(*ty, 1, *rows, cols)?;
                    later
                }
            };
        }
        Ok(size)
    }

    fn vector(&self, len: usize) -> Size {
        buffer(1, len)
    }

    fn buffer(&self, rows: usize, width: usize) -> Size {
        buffer(rows, width.next_multiple_of(ROW_ALIGN))
    }

    fn buffers(&self, rows: usize, widths: &[usize]) -> Size {
        if let [width] = widths {
            return self.buffer(rows, *width);
        }
        buffer(rows, widths.iter().map(|width| width.next_multiple_of(PART_ALIGN)).sum())
    }

    fn sampler(&self, vocabulary: usize, context: usize) -> Size {
        super::sample::footprint(vocabulary, context)
    }

    fn attention(&self, layers: &[CacheShape]) -> Size {
        super::attend::most_partials(&self.options, layers)
            .map_or(Size::default(), |bytes| Size::one(buffer_bytes(bytes)))
    }

    fn kv_types(&self) -> &'static [KvType] {
        super::Gpu::KV_TYPES
    }

    fn cache(&self, context: usize, layers: &[CacheShape], kv: KvType) -> Size {
        let layer = |shape: &CacheShape| {
            let buffer = Size::one(buffer_bytes(
                Layout::new(context, slack(&self.options), shape, kv).bytes().unwrap_or(u64::MAX),
            ));
            buffer.times(if matches!(shape, CacheShape::KeysValues { .. }) { 2 } else { 1 })
        };
        layers.iter().map(layer).sum()
    }
}
