//! Numbers as integers of 16 bits.

use super::BLOCK;
use super::exp::SHIFT;
use super::lanes::{largest as largest_of, load};
use core::arch::wasm32::*;

/// Below this a group counts as zero: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Quantises 32 numbers, x ≈ scale * q with magnitudes of at most `largest`, and gives the scale. NaN and infinity come out as a scale that is not finite, so that
/// they are not lost.
#[inline(always)]
pub(super) fn quantize(x: &[f32; BLOCK], q: &mut [i16; BLOCK], largest: f32) -> f32 {
    let most = largest_of(x);
    if most < SMALLEST {
        q.fill(0);
        return 0.0;
    }
    let inverse = f32x4_splat(largest / most);
    let shift = f32x4_splat(SHIFT);
    let rounded = |i: usize| i32x4_sub(f32x4_add(f32x4_mul(load(x, i), inverse), shift), shift);
    for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: q is eight i16
        unsafe { v128_store(q.as_mut_ptr().cast(), i16x8_narrow_i32x4(rounded(8 * i), rounded(8 * i + 4))) };
    }
    most / largest
}
