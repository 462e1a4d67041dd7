//! How the scales and minima of a block lie in front of its codes.

use super::super::PANEL;
use super::super::lanes::{Line, line};
use core::arch::wasm32::*;

/// Vectors of four rows in a panel.
const QUADS: usize = PANEL / 4;

/// Scales and minima of a block by group and quad; with one group the second is not looked at.
#[derive(Clone, Copy)]
pub(super) struct Scales {
    pub(super) scale: [[v128; QUADS]; 2],
    pub(super) min: [[v128; QUADS]; 2],
}

/// How scales are stored.
pub(super) trait Format {
    /// Groups of a block of 32: 1 or 2.
    const GROUPS: usize;
    /// Whether there are minima.
    const MIN: bool;
    /// Blocks that share a head.
    const BLOCKS: usize;
    /// Lines of a head.
    const HEAD: usize;
    /// Lines of a block.
    const LINES: usize;
    /// What a head holds.
    type Head: Copy;
    fn head(lines: &[Line]) -> Self::Head;
    fn scales(head: Self::Head, lines: &[Line]) -> Scales;
}

fn none() -> [[v128; QUADS]; 2] {
    [[f32x4_splat(0.0); QUADS]; 2]
}

/// Eight f32 of one group.
#[inline(always)]
fn eight(lines: &[Line], group: usize) -> [v128; QUADS] {
    [line(&lines[QUADS * group]), line(&lines[QUADS * group + 1])]
}

/// An f32 for each group and row: scales, then minima.
pub(super) struct Single<const GROUPS: usize, const MIN: bool>;

impl<const GROUPS: usize, const MIN: bool> Format for Single<GROUPS, MIN> {
    const GROUPS: usize = GROUPS;
    const MIN: bool = MIN;
    const BLOCKS: usize = 1;
    const HEAD: usize = 0;
    const LINES: usize = QUADS * GROUPS * if MIN { 2 } else { 1 };
    type Head = ();

    #[inline(always)]
    fn head(_lines: &[Line]) {}

    #[inline(always)]
    fn scales(_head: (), lines: &[Line]) -> Scales {
        let mut scales = Scales { scale: none(), min: none() };
        for group in 0..GROUPS {
            scales.scale[group] = eight(lines, group);
            if MIN {
                scales.min[group] = eight(lines, GROUPS + group);
            }
        }
        scales
    }
}

/// f32 `d` and, with minima, `-d_min` of each row for 256 columns; for each block eight signed bytes a group, then,
/// with minima, eight unsigned ones a group.
pub(super) struct Super<const GROUPS: usize, const MIN: bool>;

impl<const GROUPS: usize, const MIN: bool> Format for Super<GROUPS, MIN> {
    const GROUPS: usize = GROUPS;
    const MIN: bool = MIN;
    const BLOCKS: usize = 8;
    const HEAD: usize = QUADS * if MIN { 2 } else { 1 };
    const LINES: usize = (GROUPS * if MIN { 2 } else { 1 }).div_ceil(2);
    type Head = [[v128; QUADS]; 2];

    #[inline(always)]
    fn head(lines: &[Line]) -> Self::Head {
        [eight(lines, 0), if MIN { eight(lines, 1) } else { [f32x4_splat(0.0); QUADS] }]
    }

    #[inline(always)]
    fn scales(head: Self::Head, lines: &[Line]) -> Scales {
        let mut scales = Scales { scale: none(), min: none() };
        for group in 0..GROUPS {
            scales.scale[group] = products(head[0], half::<true>(lines, group));
            if MIN {
                scales.min[group] = products(head[1], half::<false>(lines, GROUPS + group));
            }
        }
        scales
    }
}

/// Eight bytes, two of which fill a line, as 16-bit lanes.
#[inline(always)]
fn half<const SIGNED: bool>(lines: &[Line], at: usize) -> v128 {
    let v = line(&lines[at / 2]);
    match (SIGNED, at % 2) {
        (true, 0) => i16x8_extend_low_i8x16(v),
        (true, _) => i16x8_extend_high_i8x16(v),
        (false, 0) => u16x8_extend_low_u8x16(v),
        (false, _) => u16x8_extend_high_u8x16(v),
    }
}

#[inline(always)]
fn products(d: [v128; QUADS], n: v128) -> [v128; QUADS] {
    let [low, high] = [i32x4_extend_low_i16x8(n), i32x4_extend_high_i16x8(n)].map(|v| f32x4_convert_i32x4(v));
    [f32x4_mul(d[0], low), f32x4_mul(d[1], high)]
}

/// An f32 scale for each row, and codes around 8 that were left unsigned: `scale * (code - 8)`, so the minimum is
/// `-8 * scale`.
pub(super) struct Around8;

impl Format for Around8 {
    const GROUPS: usize = 1;
    const MIN: bool = true;
    const BLOCKS: usize = 1;
    const HEAD: usize = 0;
    const LINES: usize = QUADS;
    type Head = ();

    #[inline(always)]
    fn head(_lines: &[Line]) {}

    #[inline(always)]
    fn scales(_head: (), lines: &[Line]) -> Scales {
        let scale = eight(lines, 0);
        let min = scale.map(|s| f32x4_mul(s, f32x4_splat(-8.0)));
        Scales { scale: [scale, scale], min: [min, min] }
    }
}
