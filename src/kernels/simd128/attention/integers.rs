//! Keys and values as integers of 8 or 16 bits, 32 elements of a head with one scale.
//!
//! Between two tokens all weights go through the caches, so that the cache comes from memory every time, and what counts are its bytes:
//! a block has them in the order in which they are read, and while it is computed with, memory fetches the next one. Queries, and the softmax's weights times the scales of the values, are integers
//! of as many bits as keep the sums within 32: `i32x4.dot_i16x8_s` takes such operands anyway, and all builds have it.

use super::super::lanes::{load, madd, store};
use super::super::sixteen::quantize;
use super::blocks::{Layout, Part};
use super::{Ahead, BLOCK, Head, LINE, Source, Tile, Weights};
use crate::kernels::kv_type::{EIGHT, GROUP, SIXTEEN, quantize as quantize_cached};
use core::arch::wasm32::*;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;

/// Lines of a group's pairs of elements, or of a block's pairs of positions.
const PAIRS: usize = GROUP / 2;
/// Lines that a turn of the loop takes. There is always a multiple of it.
const TURN: usize = 4;
/// Bytes of a scale.
const BYTES: usize = 4;
/// What a key's or a value's element is.
pub trait Integer: Copy + Debug {
    /// [`LINE`] pairs.
    type Line: AsRef<[u8]>;
    const BYTES: usize;
    /// The largest magnitude.
    const LARGEST: f32;
    /// That of what it is multiplied by: 32 products stay within 32 bits.
    const FACTOR: f32;

    /// Stores `q`, which is at most [`Integer::LARGEST`], in as many bytes as it takes.
    fn put(q: i16, to: &mut [u8]);
    fn lines(bytes: &[u8]) -> &[Self::Line];
    /// Eight of them from the i-th on, each in 16 bits.
    fn eight(line: &Self::Line, i: usize) -> v128;
}

impl Integer for i8 {
    type Line = [u8; 2 * LINE];
    const BYTES: usize = 1;
    const LARGEST: f32 = EIGHT;
    /// 32 * 127 * 32767 = 1.3e8.
    const FACTOR: f32 = 32767.0;

    #[inline(always)]
    fn put(q: i16, to: &mut [u8]) {
        to[0] = q as u8;
    }

    #[inline(always)]
    fn lines(bytes: &[u8]) -> &[Self::Line] {
        bytes.as_chunks().0
    }

    #[inline(always)]
    fn eight(line: &Self::Line, i: usize) -> v128 {
        let eight = &line[i..][..8];
        // SAFETY: these are eight readable bytes
        unsafe { i16x8_load_extend_i8x8(eight.as_ptr().cast()) }
    }
}

impl Integer for i16 {
    type Line = [u8; 4 * LINE];
    const BYTES: usize = 2;
    const LARGEST: f32 = SIXTEEN;
    /// 32 * 8191 * 8191 is just below 2^31.
    const FACTOR: f32 = SIXTEEN;

    #[inline(always)]
    fn put(q: i16, to: &mut [u8]) {
        to.copy_from_slice(&q.to_le_bytes());
    }

    #[inline(always)]
    fn lines(bytes: &[u8]) -> &[Self::Line] {
        bytes.as_chunks().0
    }

    #[inline(always)]
    fn eight(line: &Self::Line, i: usize) -> v128 {
        let eight = &line[2 * i..][..16];
        // SAFETY: these are sixteen readable bytes
        unsafe { v128_load(eight.as_ptr().cast()) }
    }
}

/// Where things are in a block of a head, a line being [`LINE`] pairs: of one position's elements for each of 16 positions, or of two
/// positions' for each of 16 elements:
/// keys (2, pairs of elements, [`LINE`] positions, 2), their scales (groups, [`BLOCK`]),
/// values (elements / [`LINE`], pairs of positions, [`LINE`] elements, 2), their scales (groups, [`BLOCK`]).
#[derive(Clone, Copy, Debug)]
pub struct Integers<I> {
    head_dim: usize,
    element: PhantomData<I>,
}

impl<I: Integer> Integers<I> {
    /// Elements of a head with those that fill it up.
    fn elements(self) -> usize {
        self.head_dim.next_multiple_of(LINE)
    }

    fn groups(self) -> usize {
        self.head_dim.div_ceil(GROUP)
    }

    /// Bytes of keys, or of values.
    fn integers(self) -> usize {
        BLOCK * self.elements() * I::BYTES
    }

    /// Bytes of keys or of values and their scales.
    fn half(self) -> usize {
        self.integers() + BYTES * BLOCK * self.groups()
    }

    /// Lines of a block's keys: a group's, of one half of the positions.
    fn keys(self, block: &[u8], half: usize, group: usize) -> &[I::Line] {
        let lines = &I::lines(&block[..self.integers()])[half * self.elements() / 2..][..self.elements() / 2];
        &lines[group * PAIRS..((group + 1) * PAIRS).min(lines.len())]
    }

    /// Lines of a block's values: the `chunk`-th [`LINE`] of elements.
    fn values(self, block: &[u8], chunk: usize) -> &[I::Line] {
        &I::lines(&block[self.half()..][..self.integers()])[chunk * PAIRS..][..PAIRS]
    }
}

impl<I: Integer> Layout for Integers<I> {
    type Unit = u8;
    const EMPTY: u8 = 0;

    fn new(head_dim: usize) -> Self {
        Self { head_dim, element: PhantomData }
    }

    fn head_dim(self) -> usize {
        self.head_dim
    }

    fn units(self) -> usize {
        2 * self.half()
    }

    fn put(self, block: &mut [u8], at: usize, k: &[f32], v: &[f32]) {
        let (keys, values) = block.split_at_mut(self.half());
        let line = |line: usize, pair: usize, i: usize| (line * LINE + pair) * 2 + i;
        put_half(self, keys, at, k, |d| line(at / LINE * self.elements() / 2 + d / 2, at % LINE, d % 2));
        put_half(self, values, at, v, |d| line(d / LINE * PAIRS + at / 2, d % LINE, at % 2));
    }
}

/// Stores the numbers of one position, element d as the `place(d)`-th.
fn put_half<I: Integer>(layout: Integers<I>, half: &mut [u8], at: usize, x: &[f32], place: impl Fn(usize) -> usize) {
    let (integers, scales) = half.split_at_mut(layout.integers());
    for (group, x) in x.chunks(GROUP).enumerate() {
        let mut q = [0; GROUP];
        let scale = quantize_cached(x, &mut q, I::LARGEST);
        for (i, &q) in q[..x.len()].iter().enumerate() {
            I::put(q, &mut integers[place(group * GROUP + i) * I::BYTES..][..I::BYTES]);
        }
        scales[(group * BLOCK + at) * BYTES..][..BYTES].copy_from_slice(&scale.to_le_bytes());
    }
}

/// Queries as integers.
pub(super) struct Queries {
    /// (queries, groups)
    groups: Vec<Group>,
}

/// 32 elements of a query: x ≈ scale * q.
struct Group {
    q: [i16; GROUP],
    scale: f32,
}

impl<I: Integer> Source for Part<'_, Integers<I>> {
    type Queries = Queries;

    fn queries(self, head: &Head<'_, Self>, queries: Range<usize>) -> Queries {
        let group = |x: &[f32]| {
            let (mut all, mut q) = ([0.0; GROUP], [0; GROUP]);
            all[..x.len()].copy_from_slice(x);
            let scale = quantize(&all, &mut q, I::FACTOR);
            Group { q, scale }
        };
        let mut groups = Vec::with_capacity(queries.len() * self.layout.groups());
        queries.for_each(|query| groups.extend(head.query(query).chunks(GROUP).map(group)));
        Queries { groups }
    }

    #[inline(always)]
    fn score<const M: usize>(self, _: &Head<'_, Self>, q: &Queries, tile: Tile, weights: &mut [[f32; BLOCK]; M]) {
        let layout = self.layout;
        let [block, next] = [self.block(tile.block), self.next(tile.block)];
        for group in 0..layout.groups() {
            let q: [&Group; M] = std::array::from_fn(|m| &q.groups[(tile.i + m) * layout.groups() + group]);
            let scales = &block[layout.integers()..][group * BLOCK * BYTES..][..BLOCK * BYTES];
            for half in 0..BLOCK / LINE {
                let lines = [block, next].map(|block| layout.keys(block, half, group));
                products::<I, M>(q.map(|q| &q.q), lines, &mut |m, at, dots| {
                    let at = half * LINE + at;
                    let sum = if group == 0 { f32x4_splat(0.0) } else { load(&weights[m], at) };
                    let dots = f32x4_mul(f32x4_convert_i32x4(dots), f32x4_splat(q[m].scale));
                    store(&mut weights[m], at, madd(dots, numbers(scales, at), sum));
                });
            }
        }
    }

    #[inline(always)]
    fn mix<const M: usize>(self, tile: Tile, weights: &Weights<M>, sums: &mut [f32]) {
        let layout = self.layout;
        let [block, next] = [self.block(tile.block), self.next(tile.block)];
        // those of positions that there are, and zeros
        let some = (tile.end - tile.block).min(BLOCK).div_ceil(2).next_multiple_of(TURN);
        let (mut q, mut scale) = ([[0; BLOCK]; M], [0.0; M]);
        for chunk in 0..layout.elements() / LINE {
            if (chunk * LINE).is_multiple_of(GROUP) {
                let scales = &block[layout.half() + layout.integers()..][chunk * LINE / GROUP * BLOCK * BYTES..]
                    [..BLOCK * BYTES];
                for m in 0..M {
                    scale[m] = quantize(&weighted(&weights.weights[m], scales), &mut q[m], I::FACTOR);
                }
            }
            let lines = [block, next].map(|block| &layout.values(block, chunk)[..some]);
            products::<I, M>(q.each_ref(), lines, &mut |m, at, dots| {
                let at = m * layout.elements() + chunk * LINE + at;
                let sum = f32x4_mul(load(sums, at), f32x4_splat(weights.factor[m]));
                store(sums, at, madd(f32x4_convert_i32x4(dots), f32x4_splat(scale[m]), sum));
            });
        }
    }
}

/// Gives `to` the sums of products of M lists of pairs with lines, 4 at a time: sum r of (m, at) =
/// Σ q\[m\]\[2 j + i\] lines\[j\]\[at + r\]\[i\] over i = 0, 1 and all lines j, of which there are at most [`PAIRS`]. The
/// other lines are those of the next block, which memory fetches meanwhile.
#[inline(always)]
fn products<I: Integer, const M: usize>(
    q: [&[i16; GROUP]; M],
    lines: [&[I::Line]; 2],
    to: &mut impl FnMut(usize, usize, v128),
) {
    // as many sums as registers hold
    if M == 1 { in_parts::<I, M, 4>(q, lines, to) } else { in_parts::<I, M, 2>(q, lines, to) }
}

/// The same in parts of V vectors of a line.
#[inline(always)]
fn in_parts<I: Integer, const M: usize, const V: usize>(
    q: [&[i16; GROUP]; M],
    [lines, next]: [&[I::Line]; 2],
    to: &mut impl FnMut(usize, usize, v128),
) {
    let parts = LINE / (4 * V);
    let soon = TURN / parts; // lines to touch in each turn of each part
    for part in 0..parts {
        let mut acc = [[i32x4_splat(0); V]; M];
        let mut ahead = Ahead::default();
        let turns = lines.as_chunks::<TURN>().0.iter().zip(next.as_chunks::<TURN>().0);
        for (turn, (lines, next)) in turns.take(PAIRS / TURN).enumerate() {
            next[soon * part..][..soon].iter().for_each(|line| ahead.touch(line.as_ref()));
            for (n, line) in lines.iter().enumerate() {
                let line: [v128; V] = std::array::from_fn(|v| I::eight(line, 2 * (part * V + v) * 4));
                for (acc, q) in acc.iter_mut().zip(q) {
                    // SAFETY: two i16 from 2 * TURN * (PAIRS / TURN - 1) + 2 * (TURN - 1) at most are in an array of 2 * PAIRS
                    let q = unsafe { v128_load32_splat(q.as_ptr().add(2 * (TURN * turn + n)).cast()) };
                    for (acc, line) in acc.iter_mut().zip(line) {
                        *acc = i32x4_add(*acc, i32x4_dot_i16x8(q, line));
                    }
                }
            }
        }
        for (m, sums) in acc.iter().enumerate() {
            sums.iter().enumerate().for_each(|(v, sums)| to(m, (part * V + v) * 4, *sums));
        }
    }
}

/// The softmax's weights (positions) times the scales of the positions' values. What has no weight stays without, whatever is
/// left of what was stored there before.
#[inline(always)]
fn weighted(weights: &[f32; BLOCK], scales: &[u8]) -> [f32; BLOCK] {
    let mut all = [0.0; BLOCK];
    for i in (0..BLOCK).step_by(4) {
        let weight = load(weights, i);
        let product = f32x4_mul(weight, numbers(scales, i));
        store(&mut all, i, v128_and(product, f32x4_ne(weight, f32x4_splat(0.0))));
    }
    all
}

/// Four f32 from the i-th on.
#[inline(always)]
fn numbers(bytes: &[u8], i: usize) -> v128 {
    let four = &bytes[i * BYTES..][..4 * BYTES];
    // SAFETY: these are sixteen readable bytes
    unsafe { v128_load(four.as_ptr().cast()) }
}
