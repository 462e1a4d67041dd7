//! Constant vectors, activations and the key/value cache.

use super::device::{Device, Options};
use super::program::Range;
use super::{Gpu, PART_ALIGN, ROW_ALIGN, internal};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::kv_type::GROUP;
use crate::kernels::{BufferId, CacheShape, KvType, VectorId};

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

/// An activation (rows, width); each row takes `stride` elements, and those past `width` are zero. Several may share a buffer,
/// their rows side by side: then what is past `width` begins with zeros up to a multiple of `PART_ALIGN`.
pub(super) struct Activation {
    pub(super) buffer: wgpu::Buffer,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
    /// Elements of a row in front of this activation's.
    pub(super) offset: usize,
    /// Whether other activations are in the rows.
    is_shared: bool,
}

impl Activation {
    pub(super) fn new(device: &Device, label: &str, rows: usize, width: usize) -> Result<Self> {
        let stride = width.next_multiple_of(ROW_ALIGN);
        let buffer = Self::buffer(device, label, rows, stride)?;
        Ok(Self { buffer, rows, width, stride, offset: 0, is_shared: false })
    }

    /// Activations of these labels and widths whose rows lie side by side.
    pub(super) fn side_by_side(device: &Device, rows: usize, parts: &[(&str, usize)]) -> Result<Vec<Self>> {
        let stride = parts.iter().map(|(_, width)| width.next_multiple_of(PART_ALIGN)).sum();
        let labels: Vec<_> = parts.iter().map(|(label, _)| *label).collect();
        let buffer = Self::buffer(device, &labels.join("|"), rows, stride)?;
        let mut offset = 0;
        let part = |&(_, width): &(&str, usize)| {
            let made = Self { buffer: buffer.clone(), rows, width, stride, offset, is_shared: true };
            offset += width.next_multiple_of(PART_ALIGN);
            made
        };
        Ok(parts.iter().map(part).collect())
    }

    fn buffer(device: &Device, label: &str, rows: usize, stride: usize) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        device.create_buffer(label, f32_bytes(rows, stride, label)?, usage)
    }

    /// From the activation's first element on.
    pub(super) fn range(&self) -> Range {
        let at = 4 * self.offset as u64;
        Range::part(&self.buffer, at, self.buffer.size() - at)
    }

    /// The buffer, once for all that share it.
    pub(super) fn owned(&self) -> Option<&wgpu::Buffer> {
        (self.offset == 0).then_some(&self.buffer)
    }

    /// Refuses to take whole padded rows of an activation that shares them.
    pub(super) fn whole_rows(&self) -> Result<&Self> {
        if self.is_shared { Err(internal("whole rows of an activation that shares them")) } else { Ok(self) }
    }
}

/// Elements of a head in a cell, the unit of cached keys and values: see `shaders/shared/kv_read.wgsl`.
pub(super) const CELL: usize = 4;

/// How a layer's keys, or its values, lie in a buffer: (positions, heads) of cells; or its rows of f32, which are one head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    /// Cells a head.
    pub(super) cells: usize,
    /// Cells from one head to the next.
    pub(super) head_stride: usize,
    /// Cells from one position to the next.
    pub(super) stride: usize,
    /// Positions that it holds: position p is in slot p modulo this.
    pub(super) positions: usize,
    /// Whether that is less than the context for good; else it grows.
    pub(super) wraps: bool,
    /// Positions that a row sees, if that is not all.
    pub(super) window: Option<usize>,
    cell_bytes: usize,
}

/// Slots of a window are as many as it has positions, and these: the rows that a pass stores before the first of them is done with the
/// window before it, and what passes store ahead that may come to nothing.
pub(super) fn slack(options: &Options) -> usize {
    options.max_rows + options.max_ahead
}

/// Slots of a window are a multiple of this.
const SLOTS: usize = 16;

impl Layout {
    /// With room for `context` positions, which is the most that there will be, or for those of a window and `slack` more.
    pub(super) fn new(context: usize, slack: usize, shape: &CacheShape, kv: KvType) -> Self {
        let (heads, head_dim, window, kv) = match *shape {
            CacheShape::KeysValues { heads, head_dim, window } => (heads, head_dim, window, kv),
            CacheShape::Rows(width) => (1, width.next_multiple_of(ROW_ALIGN), None, KvType::F32),
        };
        let slots = window.and_then(|w| w.checked_add(slack)?.checked_next_multiple_of(SLOTS));
        let positions = slots.map_or(context, |slots| slots.min(context));
        let cells = head_dim.div_ceil(CELL);
        let (head_stride, cell_bytes) = match kv {
            KvType::F32 => (cells, 4 * CELL),
            KvType::F16 | KvType::I16 => (cells, 2 * CELL), // of which the backend has the former
            // codes, then scales: as many bytes as an f32
            KvType::Q8_0 => (cells + cells.div_ceil(GROUP / CELL), CELL),
        };
        let (stride, wraps) = (heads * head_stride, positions < context);
        Self { heads, head_dim, cells, head_stride, stride, positions, wraps, window, cell_bytes }
    }

    /// With room for so many positions, where that is not given for good.
    pub(super) fn with(self, positions: usize) -> Self {
        Self { positions: if self.wraps { self.positions } else { positions }, ..self }
    }

    /// Whether a row at `position` finds all that it sees before it, when positions below `written` have been stored.
    pub(super) fn holds(&self, position: usize, written: usize) -> bool {
        let first = self.window.map_or(0, |w| (position + 1).saturating_sub(w));
        first + self.positions >= written
    }

    /// `None` if they cannot be counted.
    pub(super) fn bytes(&self) -> Option<u64> {
        let cells = (self.positions as u64).checked_mul(self.stride as u64)?;
        cells.checked_mul(self.cell_bytes as u64)
    }
}

/// What the cache holds of one layer: keys and values, or rows.
pub(super) struct LayerCache {
    pub(super) keys: wgpu::Buffer,
    /// Absent where there are rows.
    pub(super) values: Option<wgpu::Buffer>,
    /// Elements of a position.
    pub(super) width: usize,
    pub(super) layout: Layout,
}

/// The cache of all layers.
pub(super) struct Cache {
    pub(super) layers: Vec<LayerCache>,
    pub(super) kv: KvType,
    /// Positions that it may come to hold.
    pub(super) context: usize,
    /// Positions below this have been stored since a pass began at 0.
    pub(super) written: usize,
}

/// Of the buffers of layers that grow, which are copied.
pub(super) const CACHE_USAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

impl Cache {
    /// With room for the first positions: see [`Gpu::make_room`]. Refuses a context whose buffers the device would never bind.
    pub(super) fn new(device: &Device, context: usize, shapes: &[CacheShape], kv: KvType) -> Result<Self> {
        let first = device.options.first_positions.clamp(1, context.max(1));
        let layer = |shape: &CacheShape| {
            let (width, has_values) = match *shape {
                CacheShape::KeysValues { heads, head_dim, .. } => (heads * head_dim, true),
                CacheShape::Rows(width) => (width, false),
            };
            let layout = Layout::new(context, slack(&device.options), shape, kv);
            let bytes = layout.bytes().ok_or_else(|| {
                let detail = format!("cache: {context} positions of {width} elements overflow");
                Error::new(ErrorKind::LimitExceeded, detail)
            })?;
            device.check_bindable("cache.k", bytes)?;
            let layout = layout.with(first);
            let make = |label: &str| device.create_buffer(label, layout.bytes().unwrap_or(bytes), CACHE_USAGE);
            let values = if has_values { Some(make("cache.v")?) } else { None };
            Ok(LayerCache { keys: make("cache.k")?, values, width, layout })
        };
        Ok(Self { layers: shapes.iter().map(layer).collect::<Result<_>>()?, kv, context, written: 0 })
    }

    /// Positions that all layers have room for.
    pub(super) fn room(&self) -> usize {
        let growing = self.layers.iter().filter(|layer| !layer.layout.wraps);
        growing.map(|layer| layer.layout.positions).min().unwrap_or(self.context)
    }

    /// Whether a pass may begin at `position`.
    pub(super) fn holds(&self, position: usize) -> bool {
        position == 0 || self.layers.iter().all(|layer| layer.layout.holds(position, self.written))
    }

    /// Notes that a pass stores positions from `position` up to `end`.
    pub(super) fn stores(&mut self, position: usize, end: usize) {
        // of a text that begins anew nothing is seen that was stored before
        self.written = if position == 0 { end } else { self.written.max(end) };
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
