//! One row of activations against two panels: reads the packed weights once, in the order in which they lie.
//!
//! Two, because weights come from memory: what a processor fetches ahead ends with the page, and what it looks ahead in the code is
//! some hundred bytes of one panel, so that it stands still at each page, and in between when memory is slow. Panels that lie far from
//! each other are fetched beside each other, and share what is read of the activations.
// By index, not over arrays by value: of those LLVM 22 keeps paths to elements that do not exist, and crashes when it evaluates
// a dot product of two such constants.
#![allow(clippy::needless_range_loop)]

use super::super::BLOCK;
use super::super::lanes::{Line, line, madd, splat_four, splat_two};
use super::Rule;
use super::accumulation::{Accumulate, Turns};
use super::activation::{Narrow, Wide};
use super::formats::{Format, HALF, HALF_VECTORS, Map, VECTORS};
use super::scales::{Eight, Multiples, Own, SEGMENT, SEGMENTS, halves};
use core::arch::wasm32::*;

/// Of each of two panels.
pub(super) type Pair<T> = [T; 2];

/// The results of the 8 rows of each panel, of a type with scales of its own.
// never inlined: one loop nest a function is what the browser's compiler allocates registers for best
#[inline(never)]
pub(super) fn own<C: Format, S: Own, A: Accumulate, const DEPTH: usize>(
    panels: Pair<&[Line]>,
    x: &[Narrow],
    rule: &Rule,
) -> Pair<Eight> {
    let zero = f32x4_splat(-f32::from(rule.zero));
    let (ones, turns) = ([i16x8_splat(1); 2], Turns::new());
    let mut sums = [[f32x4_splat(0.0); 2]; 2];
    let [first, second] = panels.map(|panel| panel.chunks_exact(S::LINES + C::LINES));
    for ((a, b), x) in first.zip(second).zip(x) {
        let codes = [&a[S::LINES..], &b[S::LINES..]];
        if S::GROUPS == 1 {
            // zero points come off with the sum below
            let first =
                if turns_round::<C, A>() { i32::from(x.below) + i32::from(rule.zero) * i32::from(x.total) } else { 0 };
            let first = [[i32x4_splat(first); 2]; 2];
            let dots = add_block::<C, A, DEPTH>(first, codes, &x.q, &rule.map, [ones; 2], turns);
            add_own::<S>(&mut sums, dots, [a, b], 0, x.scale, x.sum, zero);
            continue;
        }
        let [c, d] = codes.map(|codes| codes.chunks_exact(C::LINES / 2));
        let halves = c.zip(d).zip(x.q.as_chunks::<HALF>().0.iter().zip(x.sums));
        for (group, ((c, d), (q, sum))) in halves.enumerate().take(turns.0) {
            let dots = add_half::<C, A, DEPTH>([[i32x4_splat(0); 2]; 2], [c, d], q, &rule.map, [ones; 2]);
            add_own::<S>(&mut sums, dots, [a, b], group, x.scale, sum, zero);
        }
    }
    sums
}

/// sums += a group's dots, with its scales and minima.
#[inline(always)]
fn add_own<S: Own>(
    sums: &mut Pair<Eight>,
    dots: Pair<Eight>,
    lines: Pair<&[Line]>,
    group: usize,
    scale: f32,
    sum: f32,
    zero: v128,
) {
    let (scale, sum) = (f32x4_splat(scale), f32x4_splat(sum));
    for p in 0..2 {
        let (scales, mins) = S::group(lines[p], group, zero);
        for quad in 0..2 {
            sums[p][quad] = madd(f32x4_convert_i32x4(dots[p][quad]), f32x4_mul(scales[quad], scale), sums[p][quad]);
            sums[p][quad] = madd(mins[quad], sum, sums[p][quad]);
        }
    }
}

/// The results of the 8 rows of each panel, of a type whose scales are multiples.
#[inline(never)]
pub(super) fn multiples<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize>(
    panels: Pair<&[Line]>,
    x: &[Wide],
    rule: &Rule,
) -> Pair<Eight> {
    let (zero, turns) = (i16x8_splat(if turns_round::<C, A>() { 1 } else { -rule.zero }), Turns::new());
    let mut sums = [[f32x4_splat(0.0); 2]; 2];
    let segment = S::LINES + SEGMENT * C::LINES;
    let [first, second] = panels.map(|panel| panel.chunks_exact(S::HEAD + SEGMENTS * segment));
    for ((a, b), x) in first.zip(second).zip(x) {
        let mut dots = [[i32x4_splat(0); 2]; 2];
        let mut shifts = [[i32x4_splat(0); 2]; 2];
        let segments = a[S::HEAD..].chunks_exact(segment).zip(b[S::HEAD..].chunks_exact(segment));
        let pairs = match S::GROUPS {
            1 if turns_round::<C, A>() => x.below32.as_slice(),
            1 => x.sums32.as_slice(),
            _ => x.sums16.as_slice(),
        };
        let x_segments = x.q.as_chunks::<SEGMENT>().0.iter().zip(pairs.chunks_exact(S::GROUPS));
        for ((a, b), (q, pairs)) in segments.zip(x_segments) {
            let codes = [&a[S::LINES..], &b[S::LINES..]];
            dots = add_segment::<C, S, A, DEPTH>(dots, [a, b], codes, q.as_flattened(), &rule.map, turns);
            unrolled!(at in 0..S::GROUPS => {
                let pair = splat_two(&pairs[at]);
                for p in 0..2 {
                    let shift = S::shifts([a, b][p], at, zero);
                    for quad in 0..2 {
                        let to = if S::MIN { &mut shifts[p][quad] } else { &mut dots[p][quad] };
                        *to = i32x4_add(*to, i32x4_dot_i16x8(shift[quad], pair));
                    }
                }
            });
        }
        let scale = f32x4_splat(x.scale);
        for p in 0..2 {
            let lines = [a, b][p];
            let numbers = |at: usize| halves(line(&lines[at])).map(|d| f32x4_mul(d, f32x4_splat(rule.unit)));
            let [number, least] = [numbers(0), numbers(S::HEAD - 1)];
            for quad in 0..2 {
                sums[p][quad] = madd(f32x4_convert_i32x4(dots[p][quad]), f32x4_mul(number[quad], scale), sums[p][quad]);
            }
            if S::MIN {
                for quad in 0..2 {
                    sums[p][quad] =
                        madd(f32x4_convert_i32x4(shifts[p][quad]), f32x4_mul(least[quad], scale), sums[p][quad]);
                }
            }
        }
    }
    sums
}

/// Whether weights of 8 bits are the signed operand, and magnitudes of activations the one of 7 bits: a weight that meets an
/// activation below zero is turned round, which exclusive or makes of w as -w - 1. What that 1 takes off is the sum of those
/// magnitudes, whatever the weights are.
const fn turns_round<C: Format, A: Accumulate>() -> bool {
    C::SPLIT && !A::SIGNED
}

/// acc + the products of a segment, of each panel.
#[inline(always)]
fn add_segment<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize>(
    mut acc: Pair<Eight>,
    lines: Pair<&[Line]>,
    codes: Pair<&[Line]>,
    q: &[i8],
    map: &Map,
    turns: Turns,
) -> Pair<Eight> {
    if S::GROUPS == 2 {
        let [a, b] = codes.map(|codes| codes.chunks_exact(C::LINES / 2));
        for (group, ((a, b), q)) in a.zip(b).zip(q.as_chunks::<HALF>().0).enumerate().take(turns.0) {
            let scales = lines.map(|lines| S::group(lines, group));
            acc = add_half::<C, A, DEPTH>(acc, [a, b], q, map, scales);
        }
        return acc;
    }
    let scales = lines.map(|lines| S::scales(lines, 0));
    unrolled!(block in 0..SEGMENT => {
        let codes = codes.map(|codes| &codes[block * C::LINES..][..C::LINES]);
        acc = add_block::<C, A, DEPTH>(acc, codes, &q.as_chunks::<BLOCK>().0[block], map, scales.map(|of| of[block % 2]), turns);
    });
    acc
}

/// acc + scale * (the products of a block), of each panel.
#[inline(always)]
fn add_block<C: Format, A: Accumulate, const DEPTH: usize>(
    mut acc: Pair<Eight>,
    codes: Pair<&[Line]>,
    q: &[i8; BLOCK],
    map: &Map,
    scales: Pair<Eight>,
    turns: Turns,
) -> Pair<Eight> {
    let unit = unit::<C, A, DEPTH>(VECTORS);
    let mut sums = [[i32x4_splat(0); 2]; 2];
    let [a, b] = codes.map(|codes| codes.chunks_exact(C::LINES / 2));
    for ((a, b), q) in a.zip(b).zip(q.as_chunks::<HALF>().0).take(turns.0) {
        if unit == VECTORS {
            unrolled!(i in 0..HALF_VECTORS => {
                add_vector::<C, A>(&mut sums, [a, b], i, splat_four(q, 4 * i), map);
            });
        } else {
            acc = add_half::<C, A, DEPTH>(acc, [a, b], q, map, scales);
        }
    }
    if unit == VECTORS { flush::<A>(acc, &sums, scales) } else { acc }
}

/// acc + scale * (the products of a half), of each panel.
#[inline(always)]
fn add_half<C: Format, A: Accumulate, const DEPTH: usize>(
    mut acc: Pair<Eight>,
    half: Pair<&[Line]>,
    q: &[i8; HALF],
    map: &Map,
    scales: Pair<Eight>,
) -> Pair<Eight> {
    let unit = unit::<C, A, DEPTH>(HALF_VECTORS);
    let mut sums = [[i32x4_splat(0); 2]; 2];
    unrolled!(i in 0..HALF_VECTORS => {
        if i.is_multiple_of(unit) {
            sums = [[i32x4_splat(0); 2]; 2];
        }
        add_vector::<C, A>(&mut sums, half, i, splat_four(q, 4 * i), map);
        if (i + 1).is_multiple_of(unit) {
            acc = flush::<A>(acc, &sums, scales);
        }
    });
    acc
}

/// How many vectors of a group that has `vectors` are added before they are flushed.
#[inline(always)]
fn unit<C: Format, A: Accumulate, const DEPTH: usize>(vectors: usize) -> usize {
    // two products of 127 and 128 fill 16 bits
    A::unit(if turns_round::<C, A>() { 1 } else { DEPTH }, vectors)
}

/// sums += the products of vector `vector` of a half's weights with `a`.
#[inline(always)]
fn add_vector<C: Format, A: Accumulate>(
    sums: &mut Pair<Eight>,
    lines: Pair<&[Line]>,
    vector: usize,
    a: v128,
    map: &Map,
) {
    let (magnitude, below) = (i8x16_abs(a), i8x16_lt(a, i8x16_splat(0)));
    for p in 0..2 {
        for quad in 0..2 {
            let [_, w] = C::vector(lines[p], quad, vector, map, true);
            sums[p][quad] = if turns_round::<C, A>() {
                A::next(sums[p][quad], v128_xor(w, below), magnitude)
            } else {
                A::next(sums[p][quad], a, w)
            };
        }
    }
}

/// acc + scale * sums.
#[inline(always)]
fn flush<A: Accumulate>(mut acc: Pair<Eight>, sums: &Pair<Eight>, scales: Pair<Eight>) -> Pair<Eight> {
    for p in 0..2 {
        for quad in 0..2 {
            acc[p][quad] = A::flush(acc[p][quad], sums[p][quad], scales[p][quad]);
        }
    }
    acc
}
