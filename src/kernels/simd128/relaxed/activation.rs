//! Activations quantised to 8 bits: 32 at a time, and 256 at a time for weights whose scales are multiples of one number.

use super::super::BLOCK;
use super::super::exp::SHIFT;
use super::super::lanes::{largest, load};
use crate::kernels::cpu::pool::{Pool, rows};
use core::arch::wasm32::*;

/// The largest quantised magnitude; -128 never occurs, so that two products with 7 bits fit 16.
const LARGEST: f32 = 127.0;
/// Below this a group counts as zero: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;
/// Columns of a [`Wide`].
pub(super) const WIDE: usize = 256;

/// 32 activations: `x[i] ≈ scale * q[i]`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub(super) struct Narrow {
    pub(super) q: [i8; BLOCK],
    /// The sum of all integers, and that of the magnitudes of those below zero.
    pub(super) total: i16,
    pub(super) below: i16,
    pub(super) scale: f32,
    /// scale * (the sum of all integers), for minima and zero points.
    pub(super) sum: f32,
    /// The same of each 16.
    pub(super) sums: [f32; 2],
}

/// 256 activations: `x[i] ≈ scale * q[i]`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(super) struct Wide {
    pub(super) q: [[i8; BLOCK]; WIDE / BLOCK],
    /// The sums of each 16 integers, in pairs.
    pub(super) sums16: [[i16; 2]; WIDE / 32],
    /// The sums of each 32 integers, in pairs.
    pub(super) sums32: [[i16; 2]; WIDE / 64],
    /// The sums of the magnitudes of those below zero, of each 32, in pairs.
    pub(super) below32: [[i16; 2]; WIDE / 64],
    pub(super) scale: f32,
}

impl Default for Narrow {
    fn default() -> Self {
        Self { q: [0; BLOCK], total: 0, below: 0, scale: 0.0, sum: 0.0, sums: [0.0; 2] }
    }
}

impl Default for Wide {
    fn default() -> Self {
        Self {
            q: [[0; BLOCK]; WIDE / BLOCK],
            sums16: [[0; 2]; WIDE / 32],
            sums32: [[0; 2]; WIDE / 64],
            below32: [[0; 2]; WIDE / 64],
            scale: 0.0,
        }
    }
}

/// Rows of activations, in the groups that matrices have asked for so far.
#[derive(Debug, Default)]
pub struct Quantized {
    /// (n, cols / 32)
    pub(super) narrow: Vec<Narrow>,
    /// (n, cols / 256)
    pub(super) wide: Vec<Wide>,
}

impl Quantized {
    /// Empties it: what it was made from has changed.
    pub(in super::super) fn forget(&mut self) {
        self.narrow.clear();
        self.wide.clear();
    }

    /// Quantises x (n, cols) 32 at a time unless that was done; cols that are not whole groups no such matrix has.
    pub(super) fn narrow(&mut self, n: usize, x: &[f32], pool: &Pool) {
        if !self.narrow.is_empty() || n == 0 || !(x.len() / n).is_multiple_of(BLOCK) {
            return;
        }
        self.narrow.resize_with(x.len() / BLOCK, Narrow::default);
        let groups = x.len() / n / BLOCK;
        rows(pool, &mut self.narrow, groups, &|row, to| {
            for (x, to) in x.as_chunks::<BLOCK>().0[row * groups..].iter().zip(to) {
                let (inverse, scale) = scales(x);
                let (sums, below) = quantize(x, inverse, &mut to.q);
                // at most 32 * 127
                (to.total, to.below) = ((sums[0] + sums[1]) as i16, below as i16);
                to.scale = scale;
                to.sum = scale * (sums[0] + sums[1]) as f32;
                to.sums = sums.map(|s| scale * s as f32);
            }
        });
    }

    /// Quantises x (n, cols) 256 at a time unless that was done.
    pub(super) fn wide(&mut self, n: usize, x: &[f32], pool: &Pool) {
        if !self.wide.is_empty() || n == 0 || !(x.len() / n).is_multiple_of(WIDE) {
            return;
        }
        self.wide.resize_with(x.len() / WIDE, Wide::default);
        let groups = x.len() / n / WIDE;
        rows(pool, &mut self.wide, groups, &|row, to| {
            for (x, to) in x.as_chunks::<WIDE>().0[row * groups..].iter().zip(to) {
                let (inverse, scale) = scales(x);
                to.scale = scale;
                let blocks = x.as_chunks::<BLOCK>().0.iter().zip(&mut to.q);
                for ((i, (x, q)), sums16) in blocks.enumerate().zip(&mut to.sums16) {
                    let (sums, below) = quantize(x, inverse, q);
                    // at most 32 * 127
                    *sums16 = sums.map(|s| s as i16);
                    to.sums32[i / 2][i % 2] = (sums[0] + sums[1]) as i16;
                    to.below32[i / 2][i % 2] = below as i16;
                }
            }
        });
    }
}

/// What x is multiplied by, and the scale that undoes it. NaN and infinity come out as a scale that is not finite, so that
/// they are not lost.
#[inline(always)]
fn scales(x: &[f32]) -> (f32, f32) {
    let most = largest(x);
    if most < SMALLEST { (0.0, 0.0) } else { (LARGEST / most, most / LARGEST) }
}

/// q = x * inverse, rounded; returns the sums of each 16, and that of the magnitudes of all below zero.
#[inline(always)]
fn quantize(x: &[f32; BLOCK], inverse: f32, q: &mut [i8; BLOCK]) -> ([i32; 2], i32) {
    let (inverse, shift) = (f32x4_splat(inverse), f32x4_splat(SHIFT));
    let rounded = |i: usize| i32x4_sub(f32x4_add(f32x4_mul(load(x, i), inverse), shift), shift);
    let (mut sums, mut below) = ([0; 2], i16x8_splat(0));
    for (half, q) in q.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let [a, b] = [16 * half, 16 * half + 8].map(|i| i16x8_narrow_i32x4(rounded(i), rounded(i + 4)));
        // SAFETY: q is sixteen bytes
        unsafe { v128_store(q.as_mut_ptr().cast(), i8x16_narrow_i16x8(a, b)) };
        sums[half] = sum(i16x8_add(a, b));
        let zero = i16x8_splat(0);
        below = i16x8_sub(below, i16x8_add(i16x8_min(a, zero), i16x8_min(b, zero)));
    }
    (sums, sum(below))
}

/// The sum of eight lanes.
#[inline(always)]
fn sum(v: v128) -> i32 {
    let pairs = i32x4_extadd_pairwise_i16x8(v);
    let pairs = i32x4_add(pairs, i32x4_shuffle::<2, 3, 0, 1>(pairs, pairs));
    i32x4_extract_lane::<0>(pairs) + i32x4_extract_lane::<1>(pairs)
}
