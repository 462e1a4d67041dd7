//! Several rows of activations against one panel: up to 1,024 columns of it are unpacked once and stay in the first cache.
// By index, not over arrays by value: of those LLVM 22 keeps paths to elements that do not exist, and crashes when it evaluates
// a dot product of two such constants.
#![allow(clippy::needless_range_loop)]

use super::super::lanes::{Line, line, load, madd, set_line, splat_four, splat_two, store};
use super::super::{BLOCK, PANEL};
use super::Rule;
use super::accumulation::{Accumulate, Turns};
use super::activation::{Narrow, WIDE, Wide};
use super::formats::{Format, HALF_VECTORS, VECTORS};
use super::scales::{Eight, Multiples, Own, QUADS, SEGMENT, SEGMENTS, halves};
use core::arch::wasm32::*;

/// Blocks that are unpacked together: 16 KiB at most, half of a small first cache.
pub(super) const BLOCKS: usize = 32;
/// Blocks of 256 columns.
const WIDE_BLOCKS: usize = WIDE / BLOCK;
/// Rows of activations that a tile takes: with two vectors of weights, eight sums fit the registers of x86.
const TILE: usize = 4;

/// Part of a panel, unpacked. Everything is in the order in which a tile reads it, quads innermost.
pub(super) struct Unpacked {
    /// Operands: (block, vector, quad), or (block, upper and lower halves, vector, quad) of formats that are split.
    codes: [[Line; QUADS]; BLOCKS * VECTORS * 2],
    /// f32 of a group, or twice 16 bits: (block, group, quad).
    scales: [[Line; QUADS]; BLOCKS * 2],
    /// f32 of a group, or what meets two sums of activations: (block, group, quad) or (segment, line, quad).
    shifts: [[Line; QUADS]; BLOCKS * 2],
    /// The f32 that 256 columns' scales, then minima, are multiples of: (256 columns, which, quad).
    numbers: [[Line; QUADS]; BLOCKS / WIDE_BLOCKS * 2],
}

impl Default for Unpacked {
    fn default() -> Self {
        const NONE: [Line; QUADS] = [Line([0; 16]); QUADS];
        Self {
            codes: [NONE; BLOCKS * VECTORS * 2],
            scales: [NONE; BLOCKS * 2],
            shifts: [NONE; BLOCKS * 2],
            numbers: [NONE; BLOCKS / WIDE_BLOCKS * 2],
        }
    }
}

#[inline(always)]
fn set(to: &mut [Line; QUADS], v: Eight) {
    set_line(&mut to[0], v[0]);
    set_line(&mut to[1], v[1]);
}

#[inline(always)]
fn get(from: &[Line; QUADS]) -> Eight {
    [line(&from[0]), line(&from[1])]
}

/// Operands of a block, in halves or whole: (half, vector).
const fn operands<C: Format, A: Accumulate>() -> usize {
    if C::SPLIT && !A::SIGNED { 2 * VECTORS } else { VECTORS }
}

impl Unpacked {
    /// Unpacks blocks of a type with scales of its own.
    #[inline(never)]
    pub(super) fn fill_own<C: Format, S: Own, A: Accumulate>(&mut self, panel: &[Line], rule: &Rule) {
        let zero = f32x4_splat(-f32::from(rule.zero));
        let scales = self.scales.chunks_exact_mut(S::GROUPS).zip(self.shifts.chunks_exact_mut(S::GROUPS));
        let blocks = panel.chunks_exact(S::LINES + C::LINES).zip(self.codes.chunks_exact_mut(operands::<C, A>()));
        for ((lines, codes), (scales, shifts)) in blocks.zip(scales) {
            for (group, (scale, shift)) in scales.iter_mut().zip(shifts).enumerate() {
                let (scales, mins) = S::group(lines, group, zero);
                set(scale, scales);
                set(shift, mins);
            }
            unpack::<C, A>(&lines[S::LINES..], codes, rule);
        }
    }

    /// Unpacks blocks of a type whose scales are multiples.
    #[inline(never)]
    pub(super) fn fill_multiples<C: Format, S: Multiples, A: Accumulate>(&mut self, panel: &[Line], rule: &Rule) {
        let zero = i16x8_splat(-rule.zero);
        let mut scales = self.scales.as_chunks_mut::<2>().0.iter_mut();
        let mut shifts = self.shifts.iter_mut();
        let mut codes = self.codes.chunks_exact_mut(operands::<C, A>());
        let segment_lines = S::LINES + SEGMENT * C::LINES;
        let numbers = self.numbers.as_chunks_mut::<2>().0.iter_mut();
        for (lines, numbers) in panel.chunks_exact(S::HEAD + SEGMENTS * segment_lines).zip(numbers) {
            for (line_of, to) in lines.iter().zip(numbers).take(S::HEAD) {
                set(to, halves(line(line_of)).map(|d| f32x4_mul(d, f32x4_splat(rule.unit))));
            }
            for lines in lines[S::HEAD..].chunks_exact(segment_lines) {
                for at in 0..S::GROUPS {
                    if let (Some(scales), Some(shift)) = (scales.next(), shifts.next()) {
                        let [a, b] = S::scales(lines, at);
                        set(&mut scales[0], a);
                        set(&mut scales[1], b);
                        set(shift, S::shifts(lines, at, zero));
                    }
                }
                for lines in lines[S::LINES..].chunks_exact(C::LINES) {
                    if let Some(codes) = codes.next() {
                        unpack::<C, A>(lines, codes, rule);
                    }
                }
            }
        }
    }
}

/// The operands of a block.
#[inline(always)]
fn unpack<C: Format, A: Accumulate>(lines: &[Line], codes: &mut [[Line; QUADS]], rule: &Rule) {
    unrolled!(vector in 0..VECTORS => {
        let half = &lines[vector / HALF_VECTORS * C::LINES / 2..][..C::LINES / 2];
        let w0 = C::vector(half, 0, vector % HALF_VECTORS, &rule.map, A::SIGNED);
        let w1 = C::vector(half, 1, vector % HALF_VECTORS, &rule.map, A::SIGNED);
        if operands::<C, A>() == VECTORS {
            set(&mut codes[vector], [w0[1], w1[1]]);
        } else {
            set(&mut codes[vector], [w0[0], w1[0]]);
            set(&mut codes[VECTORS + vector], [w0[1], w1[1]]);
        }
    });
}

/// sums (n, 8) += the products of an unpacked panel with `n` rows of activations, `stride` groups each, of which those from
/// `first` on meet it; `blocks` of the panel are filled.
#[inline(never)]
pub(super) fn own<C: Format, S: Own, A: Accumulate, const DEPTH: usize>(
    panel: &Unpacked,
    blocks: usize,
    x: &[Narrow],
    (first, stride): (usize, usize),
    sums: &mut [f32],
) {
    let rows = |row: usize| &x[row * stride + first..][..blocks];
    let (tiles, rest) = sums.as_chunks_mut::<{ TILE * PANEL }>();
    for (i, sums) in tiles.iter_mut().enumerate() {
        own_tile::<C, S, A, DEPTH, TILE>(panel, [0, 1, 2, 3].map(|m| rows(TILE * i + m)), sums);
    }
    for (i, sums) in rest.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
        own_tile::<C, S, A, DEPTH, 1>(panel, [rows(TILE * tiles.len() + i)], sums);
    }
}

/// The same for a type whose scales are multiples; all counts are in 256 columns.
#[inline(never)]
pub(super) fn multiples<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize>(
    panel: &Unpacked,
    blocks: usize,
    x: &[Wide],
    (first, stride): (usize, usize),
    sums: &mut [f32],
) {
    let rows = |row: usize| &x[row * stride + first..][..blocks];
    let (tiles, rest) = sums.as_chunks_mut::<{ TILE * PANEL }>();
    for (i, sums) in tiles.iter_mut().enumerate() {
        multiples_tile::<C, S, A, DEPTH, TILE>(panel, [0, 1, 2, 3].map(|m| rows(TILE * i + m)), sums);
    }
    for (i, sums) in rest.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
        multiples_tile::<C, S, A, DEPTH, 1>(panel, [rows(TILE * tiles.len() + i)], sums);
    }
}

#[inline(always)]
fn own_tile<C: Format, S: Own, A: Accumulate, const DEPTH: usize, const M: usize>(
    panel: &Unpacked,
    x: [&[Narrow]; M],
    sums: &mut [f32],
) {
    let (halves, turns) = (operands::<C, A>() / VECTORS, Turns::new());
    let blocks = x[0].len();
    let mut total: [Eight; M] = std::array::from_fn(|m| [load(sums, PANEL * m), load(sums, PANEL * m + 4)]);
    let codes = panel.codes.chunks_exact(halves * VECTORS);
    let scales = panel.scales.chunks_exact(S::GROUPS).zip(panel.shifts.chunks_exact(S::GROUPS));
    for (b, (codes, (scales, shifts))) in (0..blocks).zip(codes.zip(scales)) {
        let x = x.map(|x| &x[b]);
        let q = x.map(|x| &x.q);
        unrolled!(group in 0..S::GROUPS => {
            let mut dots = [[i32x4_splat(0); QUADS]; M];
            let at = (group, S::GROUPS);
            if halves == 2 {
                // upper halves count sixteenfold
                add_group::<A, DEPTH, M>(&mut dots, &codes[..VECTORS], q, at, [i16x8_splat(16); QUADS], turns);
            }
            let whole = &codes[(halves - 1) * VECTORS..][..VECTORS];
            add_group::<A, DEPTH, M>(&mut dots, whole, q, at, [i16x8_splat(1); QUADS], turns);
            let (scale, shift) = (get(&scales[group]), get(&shifts[group]));
            for m in 0..M {
                let (x_scale, sum) = (x[m].scale, if S::GROUPS == 1 { x[m].sum } else { x[m].sums[group % 2] });
                for quad in 0..QUADS {
                    let product = f32x4_mul(scale[quad], f32x4_splat(x_scale));
                    let so_far = madd(f32x4_convert_i32x4(dots[m][quad]), product, total[m][quad]);
                    total[m][quad] = madd(shift[quad], f32x4_splat(sum), so_far);
                }
            }
        });
    }
    put(&total, sums);
}

#[inline(always)]
fn multiples_tile<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize, const M: usize>(
    panel: &Unpacked,
    x: [&[Wide]; M],
    sums: &mut [f32],
) {
    let (halves, turns) = (operands::<C, A>() / VECTORS, Turns::new());
    let blocks = x[0].len();
    let mut total: [Eight; M] = std::array::from_fn(|m| [load(sums, PANEL * m), load(sums, PANEL * m + 4)]);
    let codes = panel.codes.chunks_exact(halves * VECTORS * WIDE_BLOCKS);
    let scales = panel.scales.chunks_exact(S::GROUPS * WIDE_BLOCKS);
    let shifts = panel.shifts.chunks_exact(S::GROUPS * SEGMENTS);
    let numbers = panel.numbers.as_chunks::<2>().0;
    for (b, ((codes, scales), (shifts, numbers))) in (0..blocks).zip(codes.zip(scales).zip(shifts.zip(numbers))) {
        let x = x.map(|x| &x[b]);
        let mut dots = [[i32x4_splat(0); QUADS]; M];
        let blocks = codes.chunks_exact(halves * VECTORS).zip(scales.chunks_exact(S::GROUPS));
        for (i, (codes, scales)) in blocks.enumerate() {
            let q = x.map(|x| &x.q[i]);
            unrolled!(group in 0..S::GROUPS => {
                let (scale, at) = (get(&scales[group]), (group, S::GROUPS));
                if halves == 2 {
                    let upper = [i16x8_shl(scale[0], 4), i16x8_shl(scale[1], 4)];
                    add_group::<A, DEPTH, M>(&mut dots, &codes[..VECTORS], q, at, upper, turns);
                }
                add_group::<A, DEPTH, M>(&mut dots, &codes[(halves - 1) * VECTORS..][..VECTORS], q, at, scale, turns);
            });
        }
        let mut least = [[i32x4_splat(0); QUADS]; M];
        for (i, shift) in shifts.iter().enumerate() {
            let shift = get(shift);
            for m in 0..M {
                let pair = splat_two(if S::GROUPS == 1 { &x[m].sums32[i] } else { &x[m].sums16[i] });
                let to = if S::MIN { &mut least[m] } else { &mut dots[m] };
                for quad in 0..QUADS {
                    to[quad] = i32x4_add(to[quad], i32x4_dot_i16x8(shift[quad], pair));
                }
            }
        }
        for m in 0..M {
            let scale = f32x4_splat(x[m].scale);
            let number = get(&numbers[0]);
            for quad in 0..QUADS {
                let product = f32x4_mul(number[quad], scale);
                total[m][quad] = madd(f32x4_convert_i32x4(dots[m][quad]), product, total[m][quad]);
            }
            if S::MIN {
                let number = get(&numbers[1]);
                for quad in 0..QUADS {
                    let product = f32x4_mul(number[quad], scale);
                    total[m][quad] = madd(f32x4_convert_i32x4(least[m][quad]), product, total[m][quad]);
                }
            }
        }
    }
    put(&total, sums);
}

/// acc += scale * (the products of group `group` of `groups` of a block with M rows of activations).
///
/// A loop that stays one, of two vectors a turn: written out, the compiler makes all products of a sum before those of the next,
/// which needs the weights of the whole block at once, and there are 16 registers.
#[inline(always)]
fn add_group<A: Accumulate, const DEPTH: usize, const M: usize>(
    acc: &mut [Eight; M],
    codes: &[[Line; QUADS]],
    q: [&[i8; BLOCK]; M],
    (group, groups): (usize, usize),
    scale: Eight,
    turns: Turns,
) {
    let vectors = VECTORS / groups;
    let unit = A::unit(DEPTH, vectors);
    let mut first = group * vectors;
    while first < (group + 1) * vectors {
        let mut sums = [[i32x4_splat(0); QUADS]; M];
        if unit < 2 {
            add_vector::<A, M>(&mut sums, &codes[first], q, first);
        } else {
            let codes = codes[first..first + unit].as_chunks::<2>().0;
            for (turn, pair) in codes.iter().enumerate().take(turns.0) {
                add_vector::<A, M>(&mut sums, &pair[0], q, first + 2 * turn);
                add_vector::<A, M>(&mut sums, &pair[1], q, first + 2 * turn + 1);
            }
        }
        for m in 0..M {
            for quad in 0..QUADS {
                acc[m][quad] = A::flush(acc[m][quad], sums[m][quad], scale[quad]);
            }
        }
        first += unit;
    }
}

/// sums += the products of a vector of weights.
#[inline(always)]
fn add_vector<A: Accumulate, const M: usize>(
    sums: &mut [Eight; M],
    codes: &[Line; QUADS],
    q: [&[i8; BLOCK]; M],
    vector: usize,
) {
    let w = get(codes);
    for m in 0..M {
        let a = splat_four(q[m], 4 * vector);
        for quad in 0..QUADS {
            sums[m][quad] = A::next(sums[m][quad], a, w[quad]);
        }
    }
}

#[inline(always)]
fn put<const M: usize>(total: &[Eight; M], sums: &mut [f32]) {
    for (m, total) in total.iter().enumerate() {
        store(sums, PANEL * m, total[0]);
        store(sums, PANEL * m + 4, total[1]);
    }
}
