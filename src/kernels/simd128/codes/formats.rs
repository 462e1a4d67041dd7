//! How the codes of a block lie in its lines, and how they become the operands of integer dots.
//!
//! A block is 32 columns of 8 rows, in two quads of 4 rows. A *code vector* has eight 16-bit lanes: lane 2r + c is row r
//! of its quad, column 2j + c. A *byte vector* has 16 codes: the low half is columns 4v, 4v + 1, the high half
//! 4v + 2, 4v + 3, each in the order of a code vector.

use super::super::lanes::{Line, line};
use super::super::{BLOCK, PANEL};
use core::arch::wasm32::*;

/// Lines of a plane that holds `bits` bits of every code of a block.
pub(super) const fn plane_lines(bits: usize) -> usize {
    PANEL * BLOCK * bits / 128
}

/// What turns codes into the integers that they stand for.
#[derive(Clone, Copy)]
pub(super) struct Map {
    /// Sixteen signed integers, for codes of at most 4 bits.
    pub(super) table: v128,
    /// What is taken off wider codes, in each byte.
    pub(super) zero: v128,
}

/// How the codes of a block are stored.
pub(super) trait Format {
    /// Lines of a block.
    const LINES: usize;
    /// Steps that a block is unpacked in.
    const STEPS: usize;
    /// Code vectors of one step and quad: consecutive column pairs.
    type Step: IntoIterator<Item = v128>;
    /// Unpacks a step of a quad. `lines` are the block's.
    fn step(lines: &[Line], quad: usize, step: usize, map: Map) -> Self::Step;
}

/// 4-bit codes without a table: four share a 16-bit lane. A line holds columns 8v .. 8v + 8 of a quad, with columns
/// 8v + 2j and 8v + 2j + 1 in bits 4j .. 4j + 4. Unsigned: a zero point is taken off through the minimum.
pub(super) struct Nibbles;

impl Format for Nibbles {
    const LINES: usize = plane_lines(4);
    const STEPS: usize = 4;
    type Step = [v128; 4];

    #[inline(always)]
    fn step(lines: &[Line], quad: usize, step: usize, _map: Map) -> [v128; 4] {
        let mask = i16x8_splat(15);
        let v = line(&lines[2 * step + quad]);
        [v128_and(v, mask), v128_and(u16x8_shr(v, 4), mask), v128_and(u16x8_shr(v, 8), mask), u16x8_shr(v, 12)]
    }
}

/// 8-bit codes, stored as the signed integers that they stand for: a byte vector a line.
pub(super) struct Bytes;

impl Format for Bytes {
    const LINES: usize = plane_lines(8);
    const STEPS: usize = 8;
    type Step = [v128; 2];

    #[inline(always)]
    fn step(lines: &[Line], quad: usize, step: usize, _map: Map) -> [v128; 2] {
        widen(line(&lines[2 * step + quad]))
    }
}

/// A plane of 4 low bits, two byte vectors a line, and one of `HIGH` (0, 1 or 2) high bits.
pub(super) struct Four<const HIGH: usize>;

impl<const HIGH: usize> Format for Four<HIGH> {
    const LINES: usize = plane_lines(4 + HIGH);
    const STEPS: usize = 4;
    type Step = [v128; 4];

    #[inline(always)]
    fn step(lines: &[Line], quad: usize, step: usize, map: Map) -> [v128; 4] {
        let v = line(&lines[2 * step + quad]);
        let mask = u8x16_splat(15);
        let low = [v128_and(v, mask), v128_and(u16x8_shr(v, 4), mask)];
        let high = &lines[plane_lines(4)..];
        let value = |at: usize| -> v128 {
            let code = match HIGH {
                0 => return u8x16_swizzle(map.table, low[at]),
                1 => v128_or(low[at], high_bits::<1, 4>(high, quad, 2 * step + at)),
                _ => v128_or(low[at], high_bits::<2, 4>(high, quad, 2 * step + at)),
            };
            i8x16_sub(code, map.zero)
        };
        let ([a, b], [c, d]) = (widen(value(0)), widen(value(1)));
        [a, b, c, d]
    }
}

/// A plane of 2 low bits, four byte vectors a line, and one of `HIGH` (0 or 1) high bits.
pub(super) struct Two<const HIGH: usize>;

impl<const HIGH: usize> Format for Two<HIGH> {
    const LINES: usize = plane_lines(2 + HIGH);
    const STEPS: usize = 2;
    type Step = [v128; 8];

    #[inline(always)]
    fn step(lines: &[Line], quad: usize, step: usize, map: Map) -> [v128; 8] {
        let v = line(&lines[2 * step + quad]);
        let mask = u8x16_splat(3);
        let low = [v, u16x8_shr(v, 2), u16x8_shr(v, 4), u16x8_shr(v, 6)];
        let high = &lines[plane_lines(2)..];
        let value = |at: usize| {
            let code = v128_and(low[at], mask);
            let code = if HIGH == 0 { code } else { v128_or(code, high_bits::<1, 2>(high, quad, 4 * step + at)) };
            widen(u8x16_swizzle(map.table, code))
        };
        let ([a, b], [c, d], [e, f], [g, h]) = (value(0), value(1), value(2), value(3));
        [a, b, c, d, e, f, g, h]
    }
}

/// Byte vector `vector` of a plane of `BITS` bits, moved up by `SHIFT`: 8 / BITS byte vectors share a line.
#[inline(always)]
fn high_bits<const BITS: usize, const SHIFT: usize>(lines: &[Line], quad: usize, vector: usize) -> v128 {
    let v = line(&lines[vector / (8 / BITS) * 2 + quad]);
    let at = vector % (8 / BITS) * BITS;
    // bits that cross a byte's border are masked off
    let moved = if at <= SHIFT { u16x8_shl(v, (SHIFT - at) as u32) } else { u16x8_shr(v, (at - SHIFT) as u32) };
    v128_and(moved, u8x16_splat((((1 << BITS) - 1) << SHIFT) as u8))
}

/// The two code vectors of a byte vector of signed integers.
#[inline(always)]
fn widen(bytes: v128) -> [v128; 2] {
    [i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes)]
}

/// Where a code of a lane (row) lies in a plane: line, byte and the lowest of its bits.
pub(super) type Place = (usize, usize, usize);

/// Where column `k` of [`Nibbles`] is.
pub(super) fn nibble_place(lane: usize, k: usize) -> Place {
    let (pair, odd) = (k / 2, k % 2);
    let bit = 4 * (pair % 4);
    (pair / 4 * 2 + lane / 4, (lane % 4 * 2 + odd) * 2 + bit / 8, bit % 8)
}

/// Where column `k` is in a plane of byte vectors with `bits` bits of each code.
pub(super) fn plane_place(bits: usize, lane: usize, k: usize) -> Place {
    let vector = k / 4;
    let share = 8 / bits;
    (vector / share * 2 + lane / 4, k % 4 / 2 * 8 + lane % 4 * 2 + k % 2, vector % share * bits)
}

/// Writes the lowest `bits` bits of `code`.
pub(super) fn put(lines: &mut [Line], (line, byte, shift): Place, bits: usize, code: u8) {
    let mask = ((1u16 << bits) - 1) as u8;
    let b = &mut lines[line].0[byte];
    *b = *b & !(mask << shift) | (code & mask) << shift;
}

/// Reads `bits` bits.
pub(super) fn get(lines: &[Line], (line, byte, shift): Place, bits: usize) -> u8 {
    lines[line].0[byte] >> shift & ((1u16 << bits) - 1) as u8
}
