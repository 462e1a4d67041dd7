//! Activations quantised to 16 bits, 32 at a time.

use super::BLOCK;
use super::lanes::load;
use core::arch::wasm32::*;

/// The largest quantised magnitude. 32 products with 8-bit codes stay within 32 bits:
/// 32 * 128 * 32767 = 1.3e8.
const LARGEST: f32 = 32767.0;
/// Below this a group counts as zero: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Rows of activations: `x[i] ≈ scale[i / 32] * q[i]`.
#[derive(Debug, Default)]
pub struct Quantized {
    /// (n, cols): integers of at most 15 bits and a sign.
    pub(super) q: Vec<i16>,
    /// (n, cols / 32).
    pub(super) scales: Vec<f32>,
    /// (n, cols / 32, 2): scale * (sum of 16 integers), for minima.
    pub(super) sums: Vec<[f32; 2]>,
}

impl Quantized {
    /// Empties it, so that the next `quantize` does its work.
    pub(super) fn forget(&mut self) {
        self.q.clear();
    }

    /// Quantises x (n, cols) unless that was done. If cols is not whole groups no quantised matrix can read it, and nothing is
    /// done.
    pub(super) fn quantize(&mut self, n: usize, x: &[f32]) {
        if !self.q.is_empty() {
            return;
        }
        let whole = n > 0 && (x.len() / n).is_multiple_of(BLOCK);
        let len = if whole { x.len() } else { 0 };
        self.q.resize(len, 0);
        self.scales.resize(len / BLOCK, 0.0);
        self.sums.resize(len / BLOCK, [0.0; 2]);
        let groups = x[..len].chunks_exact(BLOCK).zip(self.q.chunks_exact_mut(BLOCK));
        for ((x, q), (scale, sum)) in groups.zip(self.scales.iter_mut().zip(&mut self.sums)) {
            (*scale, *sum) = quantize_group(x, q);
        }
    }
}

/// Quantises 32 numbers; NaN and infinity come out as a scale that is not finite, so that they are not lost.
fn quantize_group(x: &[f32], q: &mut [i16]) -> (f32, [f32; 2]) {
    let mut most = f32x4_splat(0.0);
    for i in (0..BLOCK).step_by(4) {
        most = f32x4_max(most, f32x4_abs(load(x, i)));
    }
    let m = |a: f32, b: f32| if a >= b || a.is_nan() { a } else { b };
    let most = m(
        m(f32x4_extract_lane::<0>(most), f32x4_extract_lane::<1>(most)),
        m(f32x4_extract_lane::<2>(most), f32x4_extract_lane::<3>(most)),
    );
    if most < SMALLEST {
        q.fill(0);
        return (0.0, [0.0; 2]);
    }
    let inverse = f32x4_splat(LARGEST / most);
    let scale = most / LARGEST;
    let mut totals = [i32x4_splat(0); 2];
    for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let low = i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(load(x, 8 * i), inverse)));
        let high = i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(load(x, 8 * i + 4), inverse)));
        let pair = i16x8_narrow_i32x4(low, high);
        totals[i / 2] = i32x4_add(totals[i / 2], i32x4_extadd_pairwise_i16x8(pair));
        // SAFETY: q is eight i16
        unsafe { v128_store(q.as_mut_ptr().cast(), pair) };
    }
    (scale, totals.map(|t| scale * total(t) as f32))
}

/// The sum of the four lanes.
fn total(v: v128) -> i32 {
    i32x4_extract_lane::<0>(v) + i32x4_extract_lane::<1>(v) + i32x4_extract_lane::<2>(v) + i32x4_extract_lane::<3>(v)
}
