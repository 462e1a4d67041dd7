//! What a backend's allocations take, counted without making them.

use super::{CacheShape, KvType};
use crate::error::Result;
use crate::quant::TensorType;
use std::ops::{Add, AddAssign};

/// Bytes of some allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Of all of them.
    pub total: u64,
    /// Of the largest one: devices limit it by itself.
    pub largest: u64,
}

impl Size {
    /// Of one allocation.
    pub fn one(bytes: u64) -> Self {
        Self { total: bytes, largest: bytes }
    }

    /// Of one allocation of rows * width f32.
    pub fn floats(rows: u64, width: u64) -> Self {
        Self::one(rows.saturating_mul(width).saturating_mul(4))
    }

    /// Of as many equal ones.
    pub fn times(self, count: u64) -> Self {
        Self { total: self.total.saturating_mul(count), largest: if count == 0 { 0 } else { self.largest } }
    }
}

impl Add for Size {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { total: self.total.saturating_add(other.total), largest: self.largest.max(other.largest) }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), Add::add)
    }
}

/// What an adapter allows of one buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLimits {
    /// `maxBufferSize`.
    pub size: u64,
    /// `maxStorageBufferBindingSize`.
    pub binding: u64,
}

impl BufferLimits {
    /// The most bytes of a buffer that can be bound as a whole.
    pub fn bindable(self) -> u64 {
        self.size.min(self.binding)
    }
}

/// The allocating half of [`super::Backend`], in bytes. Each method has the arguments of its namesake there, and gives what
/// [`super::Backend::bytes`] grows by.
pub trait Footprint {
    /// As [`super::Backend::max_rows`].
    fn max_rows(&self) -> usize;
    /// Of `experts` matrices (rows, cols), or one.
    ///
    /// # Errors
    /// As [`super::Backend::create_matrix`], but for memory.
    fn matrices(&mut self, ty: TensorType, experts: usize, rows: usize, cols: usize) -> Result<Size>;
    /// Of matrices of these types and rows that are multiplied with the same input.
    ///
    /// # Errors
    /// As [`Self::matrices`].
    fn stack(&mut self, parts: &[(TensorType, usize)], cols: usize) -> Result<Size> {
        parts.iter().map(|(ty, rows)| self.matrices(*ty, 1, *rows, cols)).sum()
    }
    /// Of a constant vector.
    fn vector(&self, len: usize) -> Size;
    /// Of an activation buffer (rows, width).
    fn buffer(&self, rows: usize, width: usize) -> Size;
    /// Of several that operations take together.
    fn buffers(&self, rows: usize, widths: &[usize]) -> Size {
        widths.iter().map(|width| self.buffer(rows, *width)).sum()
    }
    /// Of what sampling needs.
    fn sampler(&self, _vocabulary: usize, _context: usize) -> Size {
        Size::default()
    }
    /// Of what attention over these layers needs beside the cache.
    fn attention(&self, _layers: &[CacheShape]) -> Size {
        Size::default()
    }
    /// As [`super::Backend::KV_TYPES`].
    fn kv_types(&self) -> &'static [KvType];
    /// Of the cache, when it holds the whole context in type `kv`, one of `kv_types`.
    fn cache(&self, context: usize, layers: &[CacheShape], kv: KvType) -> Size;
}
