//! What the CPU's memory holds of a model.

use super::Kernels;
use crate::error::Result;
use crate::kernels::footprint::{Footprint, Size};
use crate::kernels::{CacheShape, KvType};
use crate::quant::TensorType;
use std::collections::HashMap;
use std::marker::PhantomData;

/// The [`Footprint`] of [`super::Cpu`] with kernels `K`.
pub struct CpuFootprint<K> {
    /// Bytes of one panel of `cols` columns, by the type's number and `cols`.
    panels: HashMap<(u32, usize), u64>,
    kernels: PhantomData<K>,
}

impl<K> Default for CpuFootprint<K> {
    fn default() -> Self {
        Self { panels: HashMap::new(), kernels: PhantomData }
    }
}

impl<K: Kernels> CpuFootprint<K> {
    /// The packer itself is asked: it makes one panel.
    fn panel(&mut self, ty: TensorType, cols: usize) -> Result<u64> {
        if let Some(&bytes) = self.panels.get(&(ty.id, cols)) {
            return Ok(bytes);
        }
        let bytes = K::bytes(&K::create_matrix(ty, K::PANEL_ROWS, cols)?);
        self.panels.insert((ty.id, cols), bytes);
        Ok(bytes)
    }
}

impl<K: Kernels> Footprint for CpuFootprint<K> {
    fn max_rows(&self) -> usize {
        K::MAX_ROWS
    }

    fn matrices(&mut self, ty: TensorType, experts: usize, rows: usize, cols: usize) -> Result<Size> {
        let panels = rows.div_ceil(K::PANEL_ROWS) as u64;
        Ok(Size::one(self.panel(ty, cols)?.saturating_mul(panels)).times(experts as u64))
    }

    fn vector(&self, len: usize) -> Size {
        Size::floats(1, len as u64)
    }

    fn buffer(&self, rows: usize, width: usize) -> Size {
        Size::floats(rows as u64, width as u64)
    }

    fn kv_types(&self) -> &'static [KvType] {
        K::KV_TYPES
    }

    fn cache(&self, context: usize, layers: &[CacheShape], kv: KvType) -> Size {
        let layer = |shape: &CacheShape| match *shape {
            CacheShape::KeysValues { heads, head_dim, .. } => K::cache_size(context, heads, head_dim, kv),
            CacheShape::Rows(width) => Size::floats(context as u64, width as u64),
        };
        layers.iter().map(layer).sum()
    }
}
