//! Activations quantised to 16 bits, 32 at a time.

use super::BLOCK;
use super::sixteen::quantize;
use core::arch::wasm32::*;

/// The largest magnitude. 32 products with 8-bit codes stay within 32 bits: 32 * 128 * 32767 = 1.3e8.
const LARGEST: f32 = 32767.0;

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
        let groups = x[..len].as_chunks::<BLOCK>().0.iter().zip(self.q.as_chunks_mut::<BLOCK>().0);
        for ((x, q), (scale, sum)) in groups.zip(self.scales.iter_mut().zip(&mut self.sums)) {
            (*scale, *sum) = quantize_group(x, q);
        }
    }
}

/// Quantises 32 numbers; gives the scale, and scale * sum of each 16.
fn quantize_group(x: &[f32; BLOCK], q: &mut [i16; BLOCK]) -> (f32, [f32; 2]) {
    let scale = quantize(x, q, LARGEST);
    let mut totals = [i32x4_splat(0); 2];
    for (i, q) in q.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: q is eight i16
        let pair = unsafe { v128_load(q.as_ptr().cast()) };
        totals[i / 2] = i32x4_add(totals[i / 2], i32x4_extadd_pairwise_i16x8(pair));
    }
    (scale, totals.map(|t| scale * total(t) as f32))
}

/// The sum of the four lanes.
fn total(v: v128) -> i32 {
    i32x4_extract_lane::<0>(v) + i32x4_extract_lane::<1>(v) + i32x4_extract_lane::<2>(v) + i32x4_extract_lane::<3>(v)
}
