//! How the codes of a block lie in its lines, and how they become the 7-bit operands of relaxed dots.
//!
//! A block is 32 columns of 8 rows, in two quads of 4 rows. A *vector* has 16 codes of a quad: bytes 4r .. 4r + 4 are row r,
//! columns 4v .. 4v + 4. A plane of B bits holds 8 / B vectors a line. Planes of high bits come before those of low bits.

use super::super::lanes::{Line, line, set_line};
use super::super::{BLOCK, PANEL};
use core::arch::wasm32::*;

/// Vectors of a block and quad.
pub(super) const VECTORS: usize = BLOCK / 4;

/// Lines of a plane that holds `bits` bits of every code of a block.
pub(super) const fn plane_lines(bits: usize) -> usize {
    PANEL * BLOCK * bits / 128
}

/// What turns codes into operands: entry `code` of each table belongs to it.
#[derive(Clone, Copy)]
pub(super) struct Map {
    /// The value plus the zero point; its lower four bits in formats that are split.
    pub(super) low: v128,
    /// The upper four bits of those.
    pub(super) high: v128,
    /// The value.
    pub(super) signed: v128,
}

/// How the codes of a block are stored.
pub(super) trait Format {
    /// Lines of a block.
    const LINES: usize;
    /// Planes of a block. Of one, each half of a block's lines holds half of its vectors.
    const PLANES: usize = 1;
    /// Whether operands need 8 bits and are therefore given as two of four: upper, lower. If not, only the second counts.
    const SPLIT: bool;
    /// Unpacks a vector of a quad. If `signed`, formats that are split give the values themselves, as the second.
    fn vector(lines: &[Line], quad: usize, vector: usize, map: &Map, signed: bool) -> [v128; 2];
}

/// A plane of 4 bits and one of `HIGH` (0, 1 or 2).
pub(super) struct Four<const HIGH: usize>;

impl<const HIGH: usize> Format for Four<HIGH> {
    const LINES: usize = plane_lines(4 + HIGH);
    const PLANES: usize = if HIGH == 0 { 1 } else { 2 };
    const SPLIT: bool = false;

    #[inline(always)]
    fn vector(lines: &[Line], quad: usize, vector: usize, _map: &Map, _signed: bool) -> [v128; 2] {
        let low = bits::<4, 0>(&lines[plane_lines(HIGH)..], quad, vector);
        let w = match HIGH {
            0 => low,
            1 => v128_or(low, bits::<1, 4>(lines, quad, vector)),
            _ => v128_or(low, bits::<2, 4>(lines, quad, vector)),
        };
        [w, w]
    }
}

/// A plane of 4 bits that index a table, of 8-bit values if `SPLIT`.
pub(super) struct Table<const SPLIT: bool>;

impl<const SPLIT: bool> Format for Table<SPLIT> {
    const LINES: usize = plane_lines(4);
    const SPLIT: bool = SPLIT;

    #[inline(always)]
    fn vector(lines: &[Line], quad: usize, vector: usize, map: &Map, signed: bool) -> [v128; 2] {
        let code = bits::<4, 0>(lines, quad, vector);
        let low = if signed && SPLIT { map.signed } else { map.low };
        [i8x16_relaxed_swizzle(map.high, code), i8x16_relaxed_swizzle(low, code)]
    }
}

/// A plane of 8 bits around 128.
pub(super) struct Bytes;

impl Format for Bytes {
    const LINES: usize = plane_lines(8);
    const SPLIT: bool = true;

    #[inline(always)]
    fn vector(lines: &[Line], quad: usize, vector: usize, _map: &Map, signed: bool) -> [v128; 2] {
        let v = line(&lines[2 * vector + quad]);
        let mask = u8x16_splat(15);
        let low = if signed { v128_xor(v, i8x16_splat(-128)) } else { v128_and(v, mask) };
        [v128_and(u16x8_shr(v, 4), mask), low]
    }
}

/// A plane of 2 bits and one of `HIGH` (0 or 1), which together index a table if `TABLE`.
pub(super) struct Two<const HIGH: usize, const TABLE: bool>;

impl<const HIGH: usize, const TABLE: bool> Format for Two<HIGH, TABLE> {
    const LINES: usize = plane_lines(2 + HIGH);
    const PLANES: usize = if HIGH == 0 { 1 } else { 2 };
    const SPLIT: bool = false;

    #[inline(always)]
    fn vector(lines: &[Line], quad: usize, vector: usize, map: &Map, _signed: bool) -> [v128; 2] {
        let low = bits::<2, 0>(&lines[plane_lines(HIGH)..], quad, vector);
        let code = if HIGH == 0 { low } else { v128_or(low, bits::<1, 2>(lines, quad, vector)) };
        let w = if TABLE { i8x16_relaxed_swizzle(map.low, code) } else { code };
        [w, w]
    }
}

/// Vector `vector` of a plane of `BITS` bits, moved up by `SHIFT`.
#[inline(always)]
fn bits<const BITS: usize, const SHIFT: usize>(lines: &[Line], quad: usize, vector: usize) -> v128 {
    let v = line(&lines[vector / (8 / BITS) * 2 + quad]);
    let at = vector % (8 / BITS) * BITS;
    // bits that cross a byte's border are masked off
    let moved = if at == SHIFT {
        v
    } else if at < SHIFT {
        u16x8_shl(v, (SHIFT - at) as u32)
    } else {
        u16x8_shr(v, (at - SHIFT) as u32)
    };
    v128_and(moved, u8x16_splat((((1 << BITS) - 1) << SHIFT) as u8))
}

/// Writes `BITS` bits, from bit `shift` on, of the codes of a block in a plane; `rows` are those of the eight lanes.
pub(super) fn put<const BITS: u32>(plane: &mut [Line], rows: [&[u8; BLOCK]; PANEL], shift: u32) {
    for (quad, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
        let words = rows.map(|row| fold::<BITS>(row, shift));
        for half in 0..if BITS == 8 { 2 } else { 1 } {
            let vectors = transposed(words.map(|w| w[half]));
            for (i, v) in vectors.into_iter().enumerate().take(BITS as usize) {
                set_line(&mut plane[(4 * half + i) * 2 + quad], v);
            }
        }
    }
}

/// The words of four columns each that a row has in a plane, in order: `BITS` of them count.
#[inline(always)]
fn fold<const BITS: u32>(codes: &[u8; BLOCK], shift: u32) -> [v128; 2] {
    let mask = u8x16_splat(((1u32 << BITS) - 1) as u8);
    let [low, high] = [0, 16].map(|i| line(&Line(std::array::from_fn(|k| codes[i + k]))));
    // what crosses a byte's border is masked off
    let mut words = [low, high].map(|v| v128_and(u16x8_shr(v, shift), mask));
    let mut bits = BITS;
    while bits < 8 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(words[0], words[1]);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(words[0], words[1]);
        words = [v128_or(even, u32x4_shl(odd, bits)); 2];
        bits *= 2;
    }
    words
}

/// Lane i of vector j becomes lane j of vector i.
#[inline(always)]
fn transposed([a, b, c, d]: [v128; 4]) -> [v128; 4] {
    let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
    let (ab_high, cd_high) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i64x2_shuffle::<0, 2>(ab, cd),
        i64x2_shuffle::<1, 3>(ab, cd),
        i64x2_shuffle::<0, 2>(ab_high, cd_high),
        i64x2_shuffle::<1, 3>(ab_high, cd_high),
    ]
}

/// Reads four codes that [`put`] wrote, columns 4 * vector .. of a lane.
pub(super) fn get(plane: &[Line], bits: usize, lane: usize, vector: usize) -> [u8; 4] {
    let (word, shift) = place(bits, lane, vector);
    let mask = ((1u16 << bits) - 1) as u8;
    [0, 1, 2, 3].map(|k| plane[word.0].0[word.1 + k] >> shift & mask)
}

/// The line and byte of four codes, and the lowest of their bits.
fn place(bits: usize, lane: usize, vector: usize) -> ((usize, usize), usize) {
    let share = 8 / bits;
    ((vector / share * 2 + lane / 4, lane % 4 * 4), vector % share * bits)
}
