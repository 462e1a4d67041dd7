//! How scales and minima lie in front of the codes that they belong to.
//!
//! Types with scales of their own hold, for each block, a line of eight 16-bit floats a group, then, with minima, as many of
//! those. Types whose scales are multiples of one number for 256 columns hold that number in front of them, and for every two
//! blocks a *segment*: eight signed bytes a group, two groups a line, and minima likewise.

use super::super::PANEL;
use super::super::dense::finite_to_f32;
use super::super::lanes::{Line, half_line, line};
use core::arch::wasm32::*;

/// Vectors of four rows in a panel.
pub(super) const QUADS: usize = PANEL / 4;
/// Blocks of a segment.
pub(super) const SEGMENT: usize = 2;
/// Segments of 256 columns.
pub(super) const SEGMENTS: usize = 4;

/// One vector for each quad.
pub(super) type Eight = [v128; QUADS];

/// Scales of their own.
pub(super) trait Own {
    /// Groups of a block: 1 or 2.
    const GROUPS: usize;
    /// Whether there are minima.
    const MIN: bool;
    /// Lines of a block.
    const LINES: usize = Self::GROUPS * if Self::MIN { 2 } else { 1 };
    /// Eight 16-bit floats as f32.
    fn widen(v: v128) -> Eight;

    /// The scales of a group, and its minima less zero points: w = scale * operand + min.
    #[inline(always)]
    fn group(lines: &[Line], group: usize, zero: v128) -> (Eight, Eight) {
        let scales = Self::widen(line(&lines[group]));
        let shift = scales.map(|s| f32x4_mul(s, zero));
        if !Self::MIN {
            return (scales, shift);
        }
        let mins = Self::widen(line(&lines[Self::GROUPS + group]));
        (scales, [f32x4_add(mins[0], shift[0]), f32x4_add(mins[1], shift[1])])
    }
}

/// IEEE halves.
pub(super) struct Half<const GROUPS: usize, const MIN: bool>;

impl<const GROUPS: usize, const MIN: bool> Own for Half<GROUPS, MIN> {
    const GROUPS: usize = GROUPS;
    const MIN: bool = MIN;

    #[inline(always)]
    fn widen(v: v128) -> Eight {
        halves(v)
    }
}

/// bfloat16, one a block.
pub(super) struct Bf16;

impl Own for Bf16 {
    const GROUPS: usize = 1;
    const MIN: bool = false;

    #[inline(always)]
    fn widen(v: v128) -> Eight {
        [u32x4_extend_low_u16x8(v), u32x4_extend_high_u16x8(v)].map(|w| u32x4_shl(w, 16))
    }
}

/// Eight IEEE halves as f32; infinity, which no sane file has as a scale, comes out as 65536.
#[inline(always)]
pub(super) fn halves(v: v128) -> Eight {
    finite_to_f32(v)
}

/// Multiples of one number for 256 columns.
pub(super) trait Multiples {
    /// Groups of a block: 1 or 2. A segment has a line of scales, and one of minima, for each.
    const GROUPS: usize;
    /// Whether there are minima.
    const MIN: bool;
    /// Lines of eight halves before the segments: the number, then that of minima.
    const HEAD: usize = if Self::MIN { 2 } else { 1 };
    /// Lines of scales and minima of a segment.
    const LINES: usize = Self::GROUPS * if Self::MIN { 2 } else { 1 };

    /// The scales of the two groups of line `at`, each twice in 16 bits.
    #[inline(always)]
    fn scales(lines: &[Line], at: usize) -> [Eight; 2] {
        bytes(lines, at).map(twice)
    }

    /// The scales of group `group` of a segment, likewise.
    #[inline(always)]
    fn group(lines: &[Line], group: usize) -> Eight {
        twice(half_line(&lines[group / 2], group % 2))
    }

    /// What meets the sums of the activations of these two groups, side by side in 16 bits: minima, or scales times the zero
    /// point's negative.
    #[inline(always)]
    fn shifts(lines: &[Line], at: usize, zero: v128) -> Eight {
        let [a, b] =
            if Self::MIN { bytes(lines, Self::GROUPS + at) } else { bytes(lines, at).map(|v| i16x8_mul(v, zero)) };
        [i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b), i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b)]
    }
}

/// [`Multiples`] with these groups and minima.
pub(super) struct Super<const GROUPS: usize, const MIN: bool>;

impl<const GROUPS: usize, const MIN: bool> Multiples for Super<GROUPS, MIN> {
    const GROUPS: usize = GROUPS;
    const MIN: bool = MIN;
}

#[inline(always)]
fn twice(v: v128) -> Eight {
    [i16x8_shuffle::<0, 0, 1, 1, 2, 2, 3, 3>(v, v), i16x8_shuffle::<4, 4, 5, 5, 6, 6, 7, 7>(v, v)]
}

/// Two times eight signed bytes in 16 bits.
#[inline(always)]
fn bytes(lines: &[Line], at: usize) -> [v128; 2] {
    let v = line(&lines[at]);
    [i16x8_extend_low_i8x16(v), i16x8_extend_high_i8x16(v)]
}
