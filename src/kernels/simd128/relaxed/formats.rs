//! How codes lie in lines, and how they become the 7-bit operands of relaxed dots.
//!
//! A block is 32 columns of 8 rows: two *halves* of 16, in two quads of 4 rows. A *vector* has 16 codes of a quad: bytes
//! 4r .. 4r + 4 are row r, columns 4v .. 4v + 4. A half has 8 vectors, and as many lines as a code has bits. Codes of 2 and 4 bits
//! fill a byte. Of 3, 5 and 6 bits most vectors lie in a byte whole, and the bits that are left in those bytes make up the
//! rest: that takes fewer instructions than a plane of low bits and one of high bits, which meet in every vector, and each half is
//! unpacked alike, so that products can be a loop over halves.

use super::super::lanes::{Line, line, set_line};
use super::super::{BLOCK, PANEL};
use core::arch::wasm32::*;

/// Vectors of a block and quad.
pub(super) const VECTORS: usize = BLOCK / 4;
/// Columns of a half.
pub(super) const HALF: usize = BLOCK / 2;
/// Vectors of a half and quad.
pub(super) const HALF_VECTORS: usize = VECTORS / 2;

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
    /// Lines of a block, the same number for each half.
    const LINES: usize;
    /// Whether operands need 8 bits and are therefore given as two of four: upper, lower. If not, only the second counts.
    const SPLIT: bool;
    /// Unpacks vector `vector` of a half's quad. If `signed`, formats that are split give the values themselves, as the second.
    fn vector(half: &[Line], quad: usize, vector: usize, map: &Map, signed: bool) -> [v128; 2];
}

/// Codes that are operands.
pub(super) struct Plain<const BITS: usize>;

impl<const BITS: usize> Format for Plain<BITS> {
    const LINES: usize = 2 * BITS;
    const SPLIT: bool = false;

    #[inline(always)]
    fn vector(half: &[Line], quad: usize, vector: usize, _map: &Map, _signed: bool) -> [v128; 2] {
        let w = code::<BITS>(half, quad, vector);
        [w, w]
    }
}

/// Codes that index a table, of 8-bit values if `SPLIT`.
pub(super) struct Table<const BITS: usize, const SPLIT: bool>;

impl<const BITS: usize, const SPLIT: bool> Format for Table<BITS, SPLIT> {
    const LINES: usize = 2 * BITS;
    const SPLIT: bool = SPLIT;

    #[inline(always)]
    fn vector(half: &[Line], quad: usize, vector: usize, map: &Map, signed: bool) -> [v128; 2] {
        let code = code::<BITS>(half, quad, vector);
        let low = if signed && SPLIT { map.signed } else { map.low };
        [i8x16_relaxed_swizzle(map.high, code), i8x16_relaxed_swizzle(low, code)]
    }
}

/// Codes of 8 bits around 128.
pub(super) struct Bytes;

impl Format for Bytes {
    const LINES: usize = 16;
    const SPLIT: bool = true;

    #[inline(always)]
    fn vector(half: &[Line], quad: usize, vector: usize, _map: &Map, signed: bool) -> [v128; 2] {
        let value = line(&half[2 * vector + quad]);
        if signed {
            return [value, value];
        }
        let mask = u8x16_splat(15);
        [v128_and(u16x8_shr(code::<8>(half, quad, vector), 4), mask), v128_and(value, mask)]
    }
}

/// Vector `vector` of a quad.
#[inline(always)]
fn code<const BITS: usize>(half: &[Line], quad: usize, vector: usize) -> v128 {
    match (BITS, vector) {
        (2, _) => field::<3>(&half[quad], -2 * vector as i32),
        (3, 0 | 1) => field::<7>(&half[quad], -3 * vector as i32),
        (3, 2) => field::<7>(&half[2], -3 * quad as i32),
        (3, _) => v128_or(field::<3>(&half[quad], -6), field::<4>(&half[2], -4 - quad as i32)),
        (4, _) => field::<15>(&half[vector / 2 * 2 + quad], -4 * (vector % 2) as i32),
        (5, 0 | 2) => field::<31>(&half[vector + quad], 0),
        (5, _) => {
            let at = vector - 1 + quad;
            v128_or(field::<7>(&half[at], -5), field::<0x18>(&half[4], 3 - 2 * at as i32))
        }
        (6, 0..=2) => field::<63>(&half[2 * vector + quad], 0),
        (6, _) => {
            let [a, b, c] = [&half[quad], &half[2 + quad], &half[4 + quad]];
            v128_or(v128_or(field::<3>(a, -6), field::<0xc>(b, -4)), field::<0x30>(c, -2))
        }
        // stored as values
        _ => v128_xor(line(&half[2 * vector + quad]), u8x16_splat(128)),
    }
}

/// The bits of `MASK` of each byte, moved up by `by` before.
#[inline(always)]
fn field<const MASK: u8>(l: &Line, by: i32) -> v128 {
    moved(line(l), by, MASK)
}

/// Bytes moved up by `by`, of which those bits of `mask` stay that do not come from beyond a byte's border.
#[inline(always)]
fn moved(v: v128, by: i32, mask: u8) -> v128 {
    let v = match by {
        0 => v,
        1.. => u16x8_shl(v, by.unsigned_abs()),
        _ => u16x8_shr(v, by.unsigned_abs()),
    };
    v128_and(v, u8x16_splat(mask))
}

/// Writes the codes of a block; `rows` are those of the eight lanes.
pub(super) fn put<const BITS: usize>(lines: &mut [Line], rows: [&[u8; BLOCK]; PANEL]) {
    for (half, lines) in lines.chunks_exact_mut(BITS).enumerate() {
        let quads = [0, 4].map(|first| {
            transposed([0, 1, 2, 3].map(|r| {
                let row = rows[first + r];
                line(&Line(std::array::from_fn(|k| row[HALF * half + k])))
            }))
        });
        for (quad, v) in quads.into_iter().enumerate() {
            put_quad::<BITS>(lines, quad, v);
        }
    }
}

/// What [`code`] reads. The first quad comes first.
#[inline(always)]
fn put_quad<const BITS: usize>(half: &mut [Line], quad: usize, v: [v128; HALF_VECTORS]) {
    let mut set = |at: usize, parts: &[v128]| {
        let all = parts.iter().fold(u8x16_splat(0), |all, part| v128_or(all, *part));
        set_line(&mut half[at], all);
    };
    match BITS {
        2 => set(quad, &[v[0], moved(v[1], 2, 0xc), moved(v[2], 4, 0x30), moved(v[3], 6, 0xc0)]),
        3 => {
            set(quad, &[v[0], moved(v[1], 3, 0x38), moved(v[3], 6, 0xc0)]);
            let shared = [moved(v[2], 3 * quad as i32, 7 << (3 * quad)), moved(v[3], 4 + quad as i32, 0x40 << quad)];
            add(&mut half[2], quad == 0, shared);
        }
        4 => {
            set(quad, &[v[0], moved(v[1], 4, 0xf0)]);
            set(2 + quad, &[v[2], moved(v[3], 4, 0xf0)]);
        }
        5 => {
            set(quad, &[v[0], moved(v[1], 5, 0xe0)]);
            set(2 + quad, &[v[2], moved(v[3], 5, 0xe0)]);
            let shared = [(v[1], quad), (v[3], 2 + quad)].map(|(v, at)| moved(v, 2 * at as i32 - 3, 3 << (2 * at)));
            add(&mut half[4], quad == 0, shared);
        }
        6 => {
            for (i, by) in [6, 4, 2].into_iter().enumerate() {
                set(2 * i + quad, &[v[i], moved(v[3], by, 0xc0)]);
            }
        }
        _ => {
            for (i, v) in v.into_iter().enumerate() {
                set(2 * i + quad, &[v128_xor(v, u8x16_splat(128))]);
            }
        }
    }
}

/// Puts parts in a line that the quads share, over what it held if they are the first.
#[inline(always)]
fn add(l: &mut Line, is_first: bool, parts: [v128; 2]) {
    let before = if is_first { u8x16_splat(0) } else { line(l) };
    set_line(l, v128_or(before, v128_or(parts[0], parts[1])));
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

/// Reads the codes of a block that [`put`] wrote, of one lane.
pub(super) fn get(bits: usize, lines: &[Line], lane: usize) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for (half, codes) in lines.chunks_exact(bits).zip(codes.as_chunks_mut::<HALF>().0) {
        for (vector, codes) in codes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let mut four = Line::default();
            set_line(&mut four, any_code(bits, half, lane / 4, vector));
            codes.copy_from_slice(&four.0[lane % 4 * 4..][..4]);
        }
    }
    codes
}

/// The same as [`code`]. Once, and not in every reader: rows are seldom read, and a browser downloads each copy.
#[inline(never)]
fn any_code(bits: usize, half: &[Line], quad: usize, vector: usize) -> v128 {
    match bits {
        2 => code::<2>(half, quad, vector),
        3 => code::<3>(half, quad, vector),
        4 => code::<4>(half, quad, vector),
        5 => code::<5>(half, quad, vector),
        6 => code::<6>(half, quad, vector),
        _ => code::<8>(half, quad, vector),
    }
}
