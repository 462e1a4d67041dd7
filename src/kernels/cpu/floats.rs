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
    keys: Vec<f32>,   // (positions so far, width)
    values: Vec<f32>, // (positions so far, width)
}

impl Floats {
    /// With room for `context` positions of `width` elements.
    pub(in super::super) fn reserve(context: usize, width: usize) -> Result<Self> {
        let (elements, what) = (context as u64 * width as u64, "the key/value cache");
        Ok(Self { width, keys: reserved(elements, what)?, values: reserved(elements, what)? })
    }

    /// What [`Floats::reserve`] allocates.
    pub(in super::super) fn size(context: usize, width: usize) -> Size {
        Size::floats(context as u64, width as u64).times(2)
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        (self.keys.capacity() + self.values.capacity()) as u64 * size_of::<f32>() as u64
    }

    pub(in super::super) fn width(&self) -> usize {
        self.width
    }

    /// (positions so far, width)
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
            self.keys.resize(end * self.width, 0.0);
            self.values.resize(end * self.width, 0.0);
        }
        self.keys[position * self.width..end * self.width].copy_from_slice(k);
        self.values[position * self.width..end * self.width].copy_from_slice(v);
    }
}
