//! Keys and values as integers of 8 or 16 bits, 32 elements of a head with one scale.
//!
//! Between two tokens all weights go through the caches, so that the cache comes from memory every time, and what counts are its bytes, and
//! that they are read one after the other, from each line of memory once: that is what processors fetch ahead by themselves. Queries, and the
//! softmax's weights times the scales of the values, are integers of as many bits as keep the sums within 32: `i32x4.dot_i16x8_s` takes
//! such operands anyway, and all builds have it.

use super::super::lanes::{load, madd, store};
use super::super::sixteen::quantize;
use super::blocks::{Layout, Part};
use super::{BLOCK, Head, LINE, Source, Tile, Weights};
use crate::kernels::kv_type::{EIGHT, GROUP, SIXTEEN, quantize as quantize_cached};
use core::arch::wasm32::*;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;

/// Positions of a line of keys, or elements of a line of values.
const LANES: usize = 8;
/// Lines of a group's pairs of elements, or of a block's pairs of positions.
const PAIRS: usize = GROUP / 2;
/// Lines that a turn of the loop takes; there is always a multiple of it. As many as registers hold beside the sums: what LLVM puts further
/// apart, V8 spills.
const TURN: usize = 2;
/// Bytes of a scale.
const BYTES: usize = 4;

/// What a key's or a value's element is.
pub trait Integer: Copy + Debug {
    /// [`LANES`] pairs.
    type Line;
    const BYTES: usize;
    /// The largest magnitude.
    const LARGEST: f32;
    /// That of what it is multiplied by: 32 products stay within 32 bits.
    const FACTOR: f32;

    /// Stores `q`, which is at most [`Integer::LARGEST`], in as many bytes as it takes.
    fn put(q: i16, to: &mut [u8]);
    fn lines(bytes: &[u8]) -> &[Self::Line];
    /// The two halves of a line, each element in 16 bits.
    fn halves(line: &Self::Line) -> [v128; 2];
}

impl Integer for i8 {
    type Line = [u8; 2 * LANES];
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
    fn halves(line: &Self::Line) -> [v128; 2] {
        // SAFETY: twice eight readable bytes
        [0, 8].map(|at| unsafe { i16x8_load_extend_i8x8(line.as_ptr().add(at).cast()) })
    }
}

impl Integer for i16 {
    type Line = [u8; 4 * LANES];
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
    fn halves(line: &Self::Line) -> [v128; 2] {
        // SAFETY: twice sixteen readable bytes
        [0, 16].map(|at| unsafe { v128_load(line.as_ptr().add(at).cast()) })
    }
}

/// Where things are in a block of a head, a line being [`LANES`] pairs: of two elements for each of 8 positions, or of two positions for
/// each of 8 elements; in the order in which it is read:
/// keys (4, groups): their scales ([`LANES`] positions), then (pairs of elements, [`LANES`] positions, 2);
/// values (groups): their scales ([`BLOCK`]), then (elements / [`LANES`], pairs of positions, [`LANES`] elements, 2).
#[derive(Clone, Copy, Debug)]
pub struct Integers<I> {
    head_dim: usize,
    element: PhantomData<I>,
}

impl<I: Integer> Integers<I> {
    /// Bytes of a group's keys at [`LANES`] positions.
    const KEYS: usize = LANES * (BYTES + GROUP * I::BYTES);
    /// Bytes of a group's values.
    const VALUES: usize = BLOCK * (BYTES + GROUP * I::BYTES);

    /// Elements of a head with those that fill it up.
    fn elements(self) -> usize {
        self.head_dim.next_multiple_of(LINE)
    }

    fn groups(self) -> usize {
        self.head_dim.div_ceil(GROUP)
    }

    /// Bytes of `positions` keys, or values, and their scales.
    fn bytes(self, positions: usize) -> usize {
        positions * (BYTES * self.groups() + self.elements() * I::BYTES)
    }

    /// A group's keys at the `eighth`-th [`LANES`] positions of a block: scales, and integers.
    fn keys(self, block: &[u8], eight: usize, group: usize) -> (&[u8], &[u8]) {
        let keys = &block[self.bytes(eight * LANES)..self.bytes((eight + 1) * LANES)];
        keys[group * Self::KEYS..keys.len().min((group + 1) * Self::KEYS)].split_at(LANES * BYTES)
    }

    /// A group's values.
    fn values(self, block: &[u8], group: usize) -> (&[u8], &[u8]) {
        let values = &block[self.bytes(BLOCK)..];
        values[group * Self::VALUES..values.len().min((group + 1) * Self::VALUES)].split_at(BLOCK * BYTES)
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
        2 * self.bytes(BLOCK)
    }

    fn put(self, block: &mut [u8], at: usize, k: &[f32], v: &[f32]) {
        let (keys, values) = block.split_at_mut(self.bytes(BLOCK));
        let keys = &mut keys[self.bytes(at / LANES * LANES)..];
        let (lane, pair, odd) = (at % LANES, at / 2, at % 2);
        for (keys, k) in keys.chunks_mut(Self::KEYS).zip(k.chunks(GROUP)) {
            put_group::<I>(keys.split_at_mut(LANES * BYTES), lane, k, |d| (d / 2 * LANES + lane) * 2 + d % 2);
        }
        for (values, v) in values.chunks_mut(Self::VALUES).zip(v.chunks(GROUP)) {
            let place = |d: usize| ((d / LANES * PAIRS + pair) * LANES + d % LANES) * 2 + odd;
            put_group::<I>(values.split_at_mut(BLOCK * BYTES), at, v, place);
        }
    }
}

/// Stores a group's numbers of one position, which is the `at`-th, element d as the `place(d)`-th.
fn put_group<I: Integer>(
    (scales, integers): (&mut [u8], &mut [u8]),
    at: usize,
    x: &[f32],
    place: impl Fn(usize) -> usize,
) {
    let mut q = [0; GROUP];
    let scale = quantize_cached(x, &mut q, I::LARGEST);
    for (d, &q) in q[..x.len()].iter().enumerate() {
        I::put(q, &mut integers[place(d) * I::BYTES..][..I::BYTES]);
    }
    scales[at * BYTES..][..BYTES].copy_from_slice(&scale.to_le_bytes());
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
        let block = self.block(tile.block);
        for eight in 0..BLOCK / LANES {
            let mut sums = [[f32x4_splat(0.0); 2]; M];
            for group in 0..layout.groups() {
                let q: [&Group; M] = std::array::from_fn(|m| &q.groups[(tile.i + m) * layout.groups() + group]);
                let (scales, keys) = layout.keys(block, eight, group);
                let dots = products::<I, M>(q.map(|q| &q.q), I::lines(keys));
                for (m, dots) in dots.iter().enumerate() {
                    for (half, &dots) in dots.iter().enumerate() {
                        let dots = f32x4_mul(f32x4_convert_i32x4(dots), f32x4_splat(q[m].scale));
                        sums[m][half] = madd(dots, numbers(scales, 4 * half), sums[m][half]);
                    }
                }
            }
            for (weights, sums) in weights.iter_mut().zip(sums) {
                (0..2).for_each(|half| store(weights, eight * LANES + 4 * half, sums[half]));
            }
        }
    }

    #[inline(always)]
    fn mix<const M: usize>(self, tile: Tile, weights: &Weights<M>, sums: &mut [f32]) {
        let layout = self.layout;
        let block = self.block(tile.block);
        // those of positions that there are, and zeros
        let some = (tile.end - tile.block).min(BLOCK).div_ceil(2).next_multiple_of(TURN);
        let (mut q, mut scale) = ([[0; BLOCK]; M], [0.0; M]);
        for group in 0..layout.groups() {
            let (scales, values) = layout.values(block, group);
            for m in 0..M {
                scale[m] = quantize(&weighted(&weights.weights[m], scales), &mut q[m], I::FACTOR);
            }
            for (chunk, values) in I::lines(values).chunks_exact(PAIRS).enumerate() {
                let dots = products::<I, M>(q.each_ref(), &values[..some]);
                for (m, dots) in dots.iter().enumerate() {
                    for (half, &dots) in dots.iter().enumerate() {
                        let at = m * layout.elements() + group * GROUP + chunk * LANES + 4 * half;
                        let sum = f32x4_mul(load(sums, at), f32x4_splat(weights.factor[m]));
                        store(sums, at, madd(f32x4_convert_i32x4(dots), f32x4_splat(scale[m]), sum));
                    }
                }
            }
        }
    }
}

/// The sums of products of M lists of pairs with lines: sum r of m = Σ q\[m\]\[2 j + i\] lines\[j\]\[r\]\[i\] over i = 0, 1 and all
/// lines j, of which there are at most [`PAIRS`].
#[inline(always)]
fn products<I: Integer, const M: usize>(q: [&[i16; GROUP]; M], lines: &[I::Line]) -> [[v128; 2]; M] {
    let mut acc = [[i32x4_splat(0); 2]; M];
    for (turn, lines) in lines.as_chunks::<TURN>().0.iter().take(PAIRS / TURN).enumerate() {
        for (n, line) in lines.iter().enumerate() {
            let halves = I::halves(line);
            for (acc, q) in acc.iter_mut().zip(q) {
                // SAFETY: two i16 from 2 * TURN * (PAIRS / TURN - 1) + 2 * (TURN - 1) at most are in an array of 2 * PAIRS
                let q = unsafe { v128_load32_splat(q.as_ptr().add(2 * (TURN * turn + n)).cast()) };
                for (acc, half) in acc.iter_mut().zip(halves) {
                    *acc = i32x4_add(*acc, i32x4_dot_i16x8(q, half));
                }
            }
        }
    }
    acc
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
