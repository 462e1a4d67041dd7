//! Where keys and values are kept: a head's blocks of 32 positions follow each other, each with all that is read of it, so that a long
//! cache is read from memory in order. What a block looks like is a [`Layout`]'s.

use super::BLOCK;
use crate::error::Result;
use crate::kernels::cpu::reserved;
use crate::kernels::footprint::Size;

/// What a block of a head is made of.
pub trait Layout: Copy {
    /// What there is a count of.
    type Unit: Clone;
    /// What a position is filled with until it is stored.
    const EMPTY: Self::Unit;

    fn new(head_dim: usize) -> Self;
    fn head_dim(self) -> usize;
    /// How many units a block has.
    fn units(self) -> usize;
    /// Stores a key and a value of one head as position `at` of a block.
    fn put(self, block: &mut [Self::Unit], at: usize, k: &[f32], v: &[f32]);
}

/// Keys and values of a layer.
#[derive(Debug)]
pub struct Blocks<L: Layout> {
    layout: L,
    /// Of each key/value head: (blocks of positions so far, [`Layout::units`]).
    heads: Vec<Vec<L::Unit>>,
    positions: usize,
}

impl<L: Layout> Blocks<L> {
    /// With room for `context` positions. The memory is written to as they come.
    pub(in super::super) fn reserve(context: usize, heads: usize, head_dim: usize) -> Result<Self> {
        let layout = L::new(head_dim);
        let heads = (0..heads).map(|_| reserved(units(layout, context), "the key/value cache"));
        Ok(Self { layout, heads: heads.collect::<Result<_>>()?, positions: 0 })
    }

    /// What [`Blocks::reserve`] allocates.
    pub(in super::super) fn size(context: usize, heads: usize, head_dim: usize) -> Size {
        let bytes = units(L::new(head_dim), context).saturating_mul(size_of::<L::Unit>() as u64);
        Size::one(bytes).times(heads as u64)
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        self.heads.iter().map(|head| (head.capacity() * size_of::<L::Unit>()) as u64).sum()
    }

    /// How many positions there is something at.
    pub(in super::super) fn positions(&self) -> usize {
        self.positions
    }

    /// Stores k and v (n, heads * head_dim) from `position` on, which is at most [`Blocks::positions`].
    pub(in super::super) fn store(&mut self, position: usize, k: &[f32], v: &[f32]) {
        let (units, head_dim) = (self.layout.units(), self.layout.head_dim());
        let width = self.heads.len() * head_dim;
        for (row, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
            let (block, at) = ((position + row) / BLOCK, (position + row) % BLOCK);
            let heads = k.chunks_exact(head_dim).zip(v.chunks_exact(head_dim));
            for (head, (k, v)) in self.heads.iter_mut().zip(heads) {
                if head.len() <= block * units {
                    head.resize((block + 1) * units, L::EMPTY); // within what is reserved
                }
                self.layout.put(&mut head[block * units..][..units], at, k, v);
            }
            self.positions = self.positions.max(position + row + 1);
        }
    }

    /// The part of one head.
    pub(super) fn part(&self, kv_head: usize) -> Part<'_, L> {
        Part { layout: self.layout, units: &self.heads[kv_head] }
    }
}

/// Of all blocks of a head.
fn units<L: Layout>(layout: L, context: usize) -> u64 {
    (context.div_ceil(BLOCK) as u64).saturating_mul(layout.units() as u64)
}

/// One key/value head.
#[derive(Debug)]
pub(super) struct Part<'a, L: Layout> {
    pub(super) layout: L,
    /// (blocks of positions, [`Layout::units`])
    units: &'a [L::Unit],
}

// by hand: derived, they would want the units to be copied, too
impl<L: Layout> Copy for Part<'_, L> {}

impl<L: Layout> Clone for Part<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, L: Layout> Part<'a, L> {
    /// The block that begins at a position.
    #[inline(always)]
    pub(super) fn block(self, position: usize) -> &'a [L::Unit] {
        &self.units[position / BLOCK * self.layout.units()..][..self.layout.units()]
    }
}
