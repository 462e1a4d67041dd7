//! One row of activations against one panel: reads the packed weights once, in the order in which they lie.
// By index, not over arrays by value: of those LLVM 22 keeps paths to elements that do not exist, and crashes when it evaluates
// a dot product of two such constants.
#![allow(clippy::needless_range_loop)]

use super::super::BLOCK;
use super::super::lanes::{Line, line, madd, splat_four, splat_two};
use super::Rule;
use super::accumulation::{Accumulate, Turns};
use super::activation::{Narrow, Wide};
use super::formats::{Format, Map, VECTORS};
use super::scales::{Eight, Multiples, Own, SEGMENT, SEGMENTS, halves};
use core::arch::wasm32::*;

/// The results of the 8 rows of a panel of a type with scales of its own.
// never inlined: one loop nest a function is what the browser's compiler allocates registers for best
#[inline(never)]
pub(super) fn own<C: Format, S: Own, A: Accumulate, const DEPTH: usize>(
    panel: &[Line],
    x: &[Narrow],
    rule: &Rule,
) -> Eight {
    let zero = f32x4_splat(-f32::from(rule.zero));
    let (ones, turns) = ([i16x8_splat(1); 2], Turns::new());
    let mut sums = [f32x4_splat(0.0); 2];
    for (lines, x) in panel.chunks_exact(S::LINES + C::LINES).zip(x) {
        unrolled!(group in 0..S::GROUPS => {
            let codes = &lines[S::LINES..];
            let dots = add_group::<C, A, DEPTH>([i32x4_splat(0); 2], codes, &x.q, &rule.map, (group, S::GROUPS), ones, turns);
            let (scales, mins) = S::group(lines, group, zero);
            let (scale, sum) = (f32x4_splat(x.scale), f32x4_splat(if S::GROUPS == 1 { x.sum } else { x.sums[group % 2] }));
            for quad in 0..2 {
                sums[quad] = madd(f32x4_convert_i32x4(dots[quad]), f32x4_mul(scales[quad], scale), sums[quad]);
                sums[quad] = madd(mins[quad], sum, sums[quad]);
            }
        });
    }
    sums
}

/// The results of the 8 rows of a panel of a type whose scales are multiples.
#[inline(never)]
pub(super) fn multiples<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize>(
    panel: &[Line],
    x: &[Wide],
    rule: &Rule,
) -> Eight {
    let (zero, turns) = (i16x8_splat(-rule.zero), Turns::new());
    let mut sums = [f32x4_splat(0.0); 2];
    for (lines, x) in panel.chunks_exact(S::HEAD + SEGMENTS * (S::LINES + SEGMENT * C::LINES)).zip(x) {
        let mut dots = [i32x4_splat(0); 2];
        let mut shifts = [i32x4_splat(0); 2];
        let segments = lines[S::HEAD..].chunks_exact(S::LINES + SEGMENT * C::LINES);
        let pairs = if S::GROUPS == 1 { x.sums32.as_slice() } else { x.sums16.as_slice() };
        let x_segments = x.q.as_chunks::<SEGMENT>().0.iter().zip(pairs.chunks_exact(S::GROUPS));
        for (lines, (q, pairs)) in segments.zip(x_segments) {
            unrolled!(at in 0..S::GROUPS => {
                let [first, second] = S::scales(lines, at);
                // groups 2 at and 2 at + 1 of the segment: of one block if it has two
                let (block, group) = (2 * at / S::GROUPS, 2 * at % S::GROUPS);
                let codes = &lines[S::LINES + block * C::LINES..][..C::LINES];
                dots = add_group::<C, A, DEPTH>(dots, codes, &q[block % 2], &rule.map, (group, S::GROUPS), first, turns);
                let (block, group) = ((2 * at + 1) / S::GROUPS, (2 * at + 1) % S::GROUPS);
                let codes = &lines[S::LINES + block * C::LINES..][..C::LINES];
                dots = add_group::<C, A, DEPTH>(dots, codes, &q[block % 2], &rule.map, (group, S::GROUPS), second, turns);
                let pair = splat_two(&pairs[at]);
                let shift = S::shifts(lines, at, zero);
                for quad in 0..2 {
                    let to = if S::MIN { &mut shifts[quad] } else { &mut dots[quad] };
                    *to = i32x4_add(*to, i32x4_dot_i16x8(shift[quad], pair));
                }
            });
        }
        let scale = f32x4_splat(x.scale);
        let numbers = |at: usize| halves(line(&lines[at])).map(|d| f32x4_mul(d, f32x4_splat(rule.unit)));
        let [number, least] = [numbers(0), numbers(S::HEAD - 1)];
        for quad in 0..2 {
            sums[quad] = madd(f32x4_convert_i32x4(dots[quad]), f32x4_mul(number[quad], scale), sums[quad]);
        }
        if S::MIN {
            for quad in 0..2 {
                sums[quad] = madd(f32x4_convert_i32x4(shifts[quad]), f32x4_mul(least[quad], scale), sums[quad]);
            }
        }
    }
    sums
}

/// acc + scale * (the products of group `group` of `groups` of a block).
#[inline(always)]
fn add_group<C: Format, A: Accumulate, const DEPTH: usize>(
    mut acc: Eight,
    lines: &[Line],
    q: &[i8; BLOCK],
    map: &Map,
    (group, groups): (usize, usize),
    scales: Eight,
    turns: Turns,
) -> Eight {
    let vectors = VECTORS / groups;
    let unit = A::unit(DEPTH, vectors);
    // upper halves, then lower ones or all, of each quad
    let mut sums = [[i32x4_splat(0); 2]; 2];
    if C::PLANES == 1 && unit == VECTORS {
        for (lines, q) in lines.chunks_exact(C::LINES / 2).zip(q.as_chunks::<16>().0).take(turns.0) {
            unrolled!(i in 0..VECTORS / 2 => {
                add_vector::<C, A>(&mut sums, lines, i, splat_four(q, 4 * i), map);
            });
        }
        return flush::<C, A>(acc, &sums, scales);
    }
    unrolled!(i in 0..vectors => {
        let vector = group * vectors + i;
        if i.is_multiple_of(unit) {
            sums = [[i32x4_splat(0); 2]; 2];
        }
        add_vector::<C, A>(&mut sums, lines, vector, splat_four(q, 4 * vector), map);
        if (i + 1).is_multiple_of(unit) {
            acc = flush::<C, A>(acc, &sums, scales);
        }
    });
    acc
}

/// sums += the products of a vector of weights with `a`.
#[inline(always)]
fn add_vector<C: Format, A: Accumulate>(sums: &mut [Eight; 2], lines: &[Line], vector: usize, a: v128, map: &Map) {
    for quad in 0..2 {
        let w = C::vector(lines, quad, vector, map, A::SIGNED);
        if C::SPLIT && !A::SIGNED {
            sums[0][quad] = A::next(sums[0][quad], a, w[0]);
        }
        sums[1][quad] = A::next(sums[1][quad], a, w[1]);
    }
}

/// acc + scale * sums.
#[inline(always)]
fn flush<C: Format, A: Accumulate>(mut acc: Eight, sums: &[Eight; 2], scales: Eight) -> Eight {
    for quad in 0..2 {
        if C::SPLIT && !A::SIGNED {
            acc[quad] = A::flush(acc[quad], sums[0][quad], i16x8_shl(scales[quad], 4));
        }
        acc[quad] = A::flush(acc[quad], sums[1][quad], scales[quad]);
    }
    acc
}
