//! Constant vectors, activations and the key/value cache.

use super::device::Device;
use super::{Gpu, ROW_ALIGN, internal};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{BufferId, CacheShape, VectorId};

/// A constant vector.
pub(super) struct Vector {
    pub(super) buffer: wgpu::Buffer,
    /// Elements.
    pub(super) len: usize,
}

impl Vector {
    pub(super) fn new(device: &Device, label: &str, len: usize) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        Ok(Self { buffer: device.create_buffer(label, f32_bytes(1, len, label)?, usage)?, len })
    }
}

/// An activation (rows, width); each row takes `stride` elements, and those past `width` are zero.
pub(super) struct Activation {
    pub(super) buffer: wgpu::Buffer,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
}

impl Activation {
    pub(super) fn new(device: &Device, label: &str, rows: usize, width: usize) -> Result<Self> {
        let stride = width.next_multiple_of(ROW_ALIGN);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffer = device.create_buffer(label, f32_bytes(rows, stride, label)?, usage)?;
        Ok(Self { buffer, rows, width, stride })
    }
}

/// What the cache holds of one layer: keys and values, or rows; each (context, stride), a position's heads together.
pub(super) struct LayerCache {
    pub(super) keys: wgpu::Buffer,
    /// Absent where there are rows.
    pub(super) values: Option<wgpu::Buffer>,
    pub(super) width: usize,
    pub(super) stride: usize,
}

/// The cache of all layers.
pub(super) struct Cache {
    pub(super) layers: Vec<LayerCache>,
    /// Positions.
    pub(super) context: usize,
}

impl Cache {
    pub(super) fn new(device: &Device, context: usize, shapes: &[CacheShape]) -> Result<Self> {
        let layer = |shape: &CacheShape| {
            let (width, has_values) = match *shape {
                CacheShape::KeysValues { heads, head_dim } => (heads * head_dim, true),
                CacheShape::Rows(width) => (width, false),
            };
            let stride = width.next_multiple_of(ROW_ALIGN);
            let bytes = f32_bytes(context, stride, "cache")?;
            let make = |label: &str| device.create_buffer(label, bytes, wgpu::BufferUsages::STORAGE);
            let values = if has_values { Some(make("cache.v")?) } else { None };
            Ok(LayerCache { keys: make("cache.k")?, values, width, stride })
        };
        Ok(Self { layers: shapes.iter().map(layer).collect::<Result<_>>()?, context })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.buffers().map(wgpu::Buffer::size).sum()
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &wgpu::Buffer> {
        self.layers.iter().flat_map(|l| [Some(&l.keys), l.values.as_ref()]).flatten()
    }

    pub(super) fn layer(&self, layer: usize) -> Result<&LayerCache> {
        self.layers.get(layer).ok_or_else(|| internal(format!("no cache for layer {layer}")))
    }
}

impl LayerCache {
    /// Keys and values.
    pub(super) fn pair(&self) -> Result<(&wgpu::Buffer, &wgpu::Buffer)> {
        let values = self.values.as_ref().ok_or_else(|| internal("a layer without keys and values"))?;
        Ok((&self.keys, values))
    }
}

/// Bytes of rows * len f32, refused where it cannot be counted.
fn f32_bytes(rows: usize, len: usize, label: &str) -> Result<u64> {
    let bytes = (rows as u64).checked_mul(len as u64).and_then(|count| count.checked_mul(4));
    bytes.ok_or_else(|| Error::new(ErrorKind::LimitExceeded, format!("{label}: {rows} x {len} f32 overflow")))
}

impl Gpu {
    pub(super) fn vector(&self, id: VectorId) -> Result<&Vector> {
        self.vectors.get(id.0).ok_or_else(|| internal(format!("no vector {}", id.0)))
    }

    /// The activation, if it has at least `rows` rows.
    pub(super) fn activation(&self, id: BufferId, rows: usize) -> Result<&Activation> {
        let found = self.buffers.get(id.0).ok_or_else(|| internal(format!("no buffer {}", id.0)))?;
        if rows == 0 || rows > found.rows {
            return Err(internal(format!("{rows} rows of buffer {}, which has {}", id.0, found.rows)));
        }
        Ok(found)
    }

    /// The activation, if it has at least `rows` rows of exactly `width` elements.
    pub(super) fn activation_of(&self, id: BufferId, rows: usize, width: usize) -> Result<&Activation> {
        let found = self.activation(id, rows)?;
        if found.width != width {
            return Err(internal(format!("buffer {} is {} wide, not {width}", id.0, found.width)));
        }
        Ok(found)
    }

    pub(super) fn cache(&self) -> Result<&Cache> {
        self.cache.as_ref().ok_or_else(|| internal("there is no cache"))
    }
}
