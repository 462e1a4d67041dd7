//! Vector loads and stores on slices, and storage that is aligned for them.

#[cfg(not(target_feature = "relaxed-simd"))]
use super::BLOCK;
use core::arch::wasm32::*;

/// Sixteen bytes, aligned: the unit of packed weights.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(16))]
pub(super) struct Line(pub(super) [u8; 16]);

/// The line as a vector.
#[inline(always)]
pub(super) fn line(l: &Line) -> v128 {
    // SAFETY: a Line is 16 readable bytes
    unsafe { v128_load(core::ptr::from_ref(l).cast()) }
}

/// Half of the line, as signed bytes in 16 bits.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
pub(super) fn half_line(l: &Line, half: usize) -> v128 {
    let eight = &l.0.as_chunks::<8>().0[half];
    // SAFETY: eight readable bytes
    unsafe { core::arch::wasm32::i16x8_load_extend_i8x8(eight.as_ptr().cast()) }
}

/// Stores a vector as a line.
#[inline(always)]
pub(super) fn set_line(l: &mut Line, v: v128) {
    // SAFETY: a Line is 16 writable bytes
    unsafe { v128_store(core::ptr::from_mut(l).cast(), v) }
}

/// x[i .. i + 4].
#[inline(always)]
pub(super) fn load(x: &[f32], i: usize) -> v128 {
    assert!(i + 4 <= x.len());
    // SAFETY: four f32 from index i were just checked to be inside
    unsafe { v128_load(x.as_ptr().add(i).cast()) }
}

/// x[i .. i + 4] = v.
#[inline(always)]
pub(super) fn store(x: &mut [f32], i: usize, v: v128) {
    assert!(i + 4 <= x.len());
    // SAFETY: four f32 from index i were just checked to be inside
    unsafe { v128_store(x.as_mut_ptr().add(i).cast(), v) }
}

/// (x[i], x[i + 1]) in every 32-bit lane.
#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
pub(super) fn splat_pair(x: &[i16; BLOCK], i: usize) -> v128 {
    assert!(i + 2 <= BLOCK);
    // SAFETY: two i16 from index i were just checked to be inside
    unsafe { v128_load32_splat(x.as_ptr().add(i).cast()) }
}

/// x[i] in every lane.
#[inline(always)]
pub(super) fn splat(x: &[f32], i: usize) -> v128 {
    f32x4_splat(x[i])
}

/// The sum of the four lanes.
#[inline(always)]
pub(super) fn sum(v: v128) -> f32 {
    use f32x4_extract_lane as lane;
    (lane::<0>(v) + lane::<2>(v)) + (lane::<1>(v) + lane::<3>(v))
}

/// a * b + c, rounded once or twice as the engine likes, but always alike.
#[inline(always)]
pub(super) fn madd(a: v128, b: v128, c: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return f32x4_relaxed_madd(a, b, c);
    #[cfg(not(target_feature = "relaxed-simd"))]
    f32x4_add(f32x4_mul(a, b), c)
}

/// x[i .. i + 4] in every 32-bit lane.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
pub(super) fn splat_four(x: &[i8], i: usize) -> v128 {
    assert!(i + 4 <= x.len());
    // SAFETY: four bytes from index i were just checked to be inside
    unsafe { v128_load32_splat(x.as_ptr().add(i).cast()) }
}

/// x in every 32-bit lane.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
pub(super) fn splat_two(x: &[i16; 2]) -> v128 {
    // SAFETY: two i16 are four readable bytes
    unsafe { v128_load32_splat(x.as_ptr().cast()) }
}

/// The largest magnitude of x, whole fours. Magnitudes are compared as integers, which is an instruction and takes a NaN for the largest.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    let magnitude = i32x4_splat(i32::MAX);
    let mut most = i32x4_splat(0);
    for i in (0..x.len()).step_by(4) {
        most = i32x4_max(most, v128_and(load(x, i), magnitude));
    }
    let most = i32x4_max(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
    f32x4_extract_lane::<0>(i32x4_max(most, i32x4_shuffle::<1, 0, 3, 2>(most, most)))
}
