//! Numbers as integers of 16 bits.

use super::BLOCK;
use super::exp::SHIFT;
use super::lanes::load;
use core::arch::wasm32::*;

/// Below this a group counts as zero: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Quantises 32 numbers, x ≈ scale * q with magnitudes of at most `largest`, and gives the scale. NaN and infinity come out as a scale that is not finite, so that
/// they are not lost.
#[inline(always)]
pub(super) fn quantize(x: &[f32; BLOCK], q: &mut [i16; BLOCK], largest: f32) -> f32 {
    let mut most = f32x4_splat(0.0);
    for i in (0..BLOCK).step_by(4) {
        most = f32x4_max(most, f32x4_abs(load(x, i)));
    }
    let most = f32x4_max(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
    let most = f32x4_extract_lane::<0>(f32x4_max(most, i32x4_shuffle::<1, 0, 3, 2>(most, most)));
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
