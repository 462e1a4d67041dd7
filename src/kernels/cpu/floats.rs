//! Keys and values of a layer in f32.

use super::reserved;
use crate::error::Result;
use crate::kernels::footprint::Size;

/// Keys and values of a layer in f32. The memory for the whole context is there from the beginning: growing with the
/// conversation would leave holes behind, and might fail in the middle of one; and a page of memory that nothing was written
/// to is none of the system's.
#[derive(Debug)]
pub struct Floats {
    width: usize,
    panel: usize,
    keys: Vec<f32>,   // (panels of positions so far, width, positions of a panel)
    values: Vec<f32>, // (positions so far, width)
}

impl Floats {
    /// With room for `context` positions of `width` elements, keys interleaved by `panel` positions.
    pub(in super::super) fn reserve(context: usize, width: usize, panel: usize) -> Result<Self> {
        let (keys, values) = lengths(context, width, panel);
        let what = "the key/value cache";
        Ok(Self { width, panel, keys: reserved(keys, what)?, values: reserved(values, what)? })
    }

    /// What [`Floats::reserve`] allocates.
    pub(in super::super) fn size(context: usize, width: usize, panel: usize) -> Size {
        let (keys, values) = lengths(context, width, panel);
        Size::floats(1, keys) + Size::floats(1, values)
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        (self.keys.capacity() + self.values.capacity()) as u64 * size_of::<f32>() as u64
    }

    pub(in super::super) fn width(&self) -> usize {
        self.width
    }

    /// (panels of positions so far, width, positions of a panel)
    pub(in super::super) fn keys(&self) -> &[f32] {
        &self.keys
    }

    /// (positions so far, width)
    pub(in super::super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many positions there is something at.
    pub(in super::super) fn positions(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Stores k and v (n, width) from `position` on, which is at most [`Floats::positions`].
    pub(in super::super) fn store(&mut self, position: usize, k: &[f32], v: &[f32]) {
        let end = position + v.len() / self.width;
        if self.positions() < end {
            // within what is reserved
            self.keys.resize(end.next_multiple_of(self.panel) * self.width, 0.0);
            self.values.resize(end * self.width, 0.0);
        }
        self.values[position * self.width..end * self.width].copy_from_slice(v);
        interleave(&mut self.keys, self.width, self.panel, position, k);
    }
}

/// Elements of keys and of values; keys come in whole panels.
fn lengths(context: usize, width: usize, panel: usize) -> (u64, u64) {
    let (context, width) = (context as u64, width as u64);
    (context.next_multiple_of(panel as u64) * width, context * width)
}

/// Writes the rows of `from` (n, width) at `position` of keys interleaved by `panel` positions.
fn interleave(keys: &mut [f32], width: usize, panel: usize, position: usize, from: &[f32]) {
    for (row, from) in from.chunks_exact(width).enumerate() {
        let (whole, lane) = ((position + row) / panel, (position + row) % panel);
        let to = keys[whole * width * panel..][..width * panel].iter_mut().skip(lane).step_by(panel);
        to.zip(from).for_each(|(to, from)| *to = *from);
    }
}
