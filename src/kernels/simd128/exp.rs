//! Exponentials, four at a time.

use core::arch::wasm32::*;

/// 1.5 * 2^23: a number of at most 2^22 and this have the nearest integer, ties to even, as the last bits of their sum.
pub(super) const SHIFT: f32 = 12_582_912.0;

/// e^x to about 2 ulp for x in -87 ..= 88, clamped outside.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, Cody and Waite), e^r by its Taylor polynomial of degree 7
/// (remainder below 1e-8), 2^n through the exponent bits.
#[inline(always)]
pub(super) fn exp(given: v128) -> v128 {
    let x = f32x4_pmin(f32x4_pmax(given, f32x4_splat(-87.0)), f32x4_splat(88.0));
    // the nearest integer, in the last bits of a sum: a conversion is several instructions
    let shifted = f32x4_add(f32x4_mul(x, f32x4_splat(std::f32::consts::LOG2_E)), f32x4_splat(SHIFT));
    let n = f32x4_sub(shifted, f32x4_splat(SHIFT));
    let r = f32x4_sub(x, f32x4_mul(n, f32x4_splat(0.693_359_4)));
    let r = f32x4_sub(r, f32x4_mul(n, f32x4_splat(-2.121_944_4e-4)));
    let mut p = f32x4_splat(1.0 / 5040.0);
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = f32x4_add(f32x4_mul(p, r), f32x4_splat(c));
    }
    let power = i32x4_shl(i32x4_add(shifted, i32x4_splat(127)), 23); // what is above the integer is shifted out
    // a NaN has to come out as one, and with relaxed SIMD the compiler takes a minimum that need not keep it
    v128_bitselect(f32x4_mul(p, power), given, f32x4_eq(given, given))
}

/// (e^2x - 1) / (e^2x + 1), without the difference that would lose small x's sign: absolute error about 1e-7.
#[inline(always)]
pub(super) fn tanh(x: v128) -> v128 {
    let twice = exp(f32x4_add(x, x));
    let one = f32x4_splat(1.0);
    f32x4_sub(one, f32x4_div(f32x4_splat(2.0), f32x4_add(twice, one)))
}
