//! Keys and values in 8 bits, 32 elements of a head with one scale.
//!
//! Between two tokens all weights go through the caches, so that the cache comes from memory every time, and what counts are its bytes:
//! a block has them in the order in which they are read. Queries, and the softmax's weights times the scales of the values, are integers of 15 bits and a sign:
//! `i32x4.dot_i16x8_s` takes such operands anyway, all builds have it, and what is lost is lost in the cache alone.

use super::super::lanes::{load, madd, store};
use super::super::sixteen::quantize;
use super::blocks::{Layout, Part};
use super::{BLOCK, Head, Source, Tile, Weights};
use crate::kernels::cpu::Output;
use crate::kernels::kv_type::{GROUP, quantize_eight};
use core::arch::wasm32::*;
use std::ops::Range;

/// Positions whose keys are interleaved.
const PANEL: usize = BLOCK / 2;
/// Elements of a head are filled up to whole ones of this with zeros: those of values that [`dots`] sums together.
const PADDING: usize = 8;
/// Pairs of elements of a group, and of positions of a block.
const PAIRS: usize = GROUP / 2;
/// A 32-bit number's.
const BYTES: usize = 4;

/// Where things are in a block of a head:
/// keys (2 panels of positions, pairs of elements, [`PANEL`], 2), their scales (groups, [`BLOCK`]),
/// values (pairs of positions, elements, 2), their scales (groups, [`BLOCK`]).
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    head_dim: usize,
}

impl Bytes {
    /// Elements of a head with those that fill it up.
    fn elements(self) -> usize {
        self.head_dim.next_multiple_of(PADDING)
    }

    fn groups(self) -> usize {
        self.head_dim.div_ceil(GROUP)
    }

    /// Bytes of keys, or of values.
    fn integers(self) -> usize {
        BLOCK * self.elements()
    }

    /// Bytes of keys or of values and their scales.
    fn half(self) -> usize {
        self.integers() + BYTES * BLOCK * self.groups()
    }
}

impl Layout for Bytes {
    type Unit = u8;
    const EMPTY: u8 = 0;

    fn new(head_dim: usize) -> Self {
        Self { head_dim }
    }

    fn head_dim(self) -> usize {
        self.head_dim
    }

    fn units(self) -> usize {
        2 * self.half()
    }

    fn put(self, block: &mut [u8], at: usize, k: &[f32], v: &[f32]) {
        let (keys, values) = block.split_at_mut(self.half());
        let (panel, lane) = (at / PANEL, at % PANEL);
        put_half(self, keys, at, k, |d| ((panel * self.elements() / 2 + d / 2) * PANEL + lane) * 2 + d % 2);
        put_half(self, values, at, v, |d| ((at / 2) * self.elements() + d) * 2 + at % 2);
    }
}

/// Stores the numbers of one position, element d at byte `place(d)`.
fn put_half(layout: Bytes, half: &mut [u8], at: usize, x: &[f32], place: impl Fn(usize) -> usize) {
    let (integers, scales) = half.split_at_mut(layout.integers());
    for (group, x) in x.chunks(GROUP).enumerate() {
        let mut q = [0; GROUP];
        let scale = quantize_eight(x, &mut q);
        for (i, &q) in q[..x.len()].iter().enumerate() {
            integers[place(group * GROUP + i)] = q as u8;
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

impl Source for Part<'_, Bytes> {
    type Queries = Queries;

    fn queries(self, head: &Head<'_, Self>, queries: Range<usize>) -> Queries {
        let group = |x: &[f32]| {
            let (mut all, mut q) = ([0.0; GROUP], [0; GROUP]);
            all[..x.len()].copy_from_slice(x);
            let scale = quantize(&all, &mut q);
            Group { q, scale }
        };
        let mut groups = Vec::with_capacity(queries.len() * self.layout.groups());
        queries.for_each(|query| groups.extend(head.query(query).chunks(GROUP).map(group)));
        Queries { groups }
    }

    #[inline(always)]
    fn score<const M: usize>(self, _: &Head<'_, Self>, q: &Queries, tile: Tile, weights: &mut [[f32; BLOCK]; M]) {
        let layout = self.layout;
        let (keys, scales) = self.block(tile.block)[..layout.half()].split_at(layout.integers());
        let q: [&[Group]; M] = std::array::from_fn(|m| &q.groups[(tile.i + m) * layout.groups()..][..layout.groups()]);
        for (panel, keys) in keys.chunks_exact(PANEL * layout.elements()).enumerate() {
            for at in (0..PANEL).step_by(8) {
                let mut sums = [[f32x4_splat(0.0); 2]; M];
                for (group, keys) in keys.chunks(PANEL * GROUP).enumerate() {
                    let q = q.map(|q| &q[group]);
                    let pairs = keys.len() / (2 * PANEL);
                    let dots = dots(q.map(|q| &q.q), pairs, &keys[2 * at..], 2 * PANEL);
                    for n in 0..2 {
                        let scale = numbers(scales, group * BLOCK + panel * PANEL + at + 4 * n);
                        for m in 0..M {
                            let dot = f32x4_mul(f32x4_convert_i32x4(dots[m][n]), f32x4_splat(q[m].scale));
                            sums[m][n] = madd(dot, scale, sums[m][n]);
                        }
                    }
                }
                for (weights, sums) in weights.iter_mut().zip(&sums) {
                    store(weights, panel * PANEL + at, sums[0]);
                    store(weights, panel * PANEL + at + 4, sums[1]);
                }
            }
        }
    }

    #[inline(always)]
    fn mix<const M: usize>(self, head: &Head<'_, Self>, tile: Tile, weights: &Weights<M>, out: &mut Output<'_>) {
        let layout = self.layout;
        let (values, scales) = self.block(tile.block)[layout.half()..].split_at(layout.integers());
        // those of positions that there are
        let pairs = (tile.end - tile.block).min(BLOCK).div_ceil(2);
        for group in 0..layout.groups() {
            let mut q = [[0; BLOCK]; M];
            let mut scale = [0.0; M];
            for m in 0..M {
                scale[m] = quantize(&weighted(&weights.weights[m], scales, group), &mut q[m]);
            }
            for d in (group * GROUP..layout.head_dim.min((group + 1) * GROUP)).step_by(8) {
                let dots = dots(q.each_ref(), pairs, &values[2 * d..], 2 * layout.elements());
                for m in 0..M {
                    let by = [weights.factor[m], scale[m]].map(|x| f32x4_splat(x));
                    add(head.part(tile.first + m, d..head.a.head_dim.min(d + 8), out), by, dots[m]);
                }
            }
        }
    }
}

/// Sums of products of M lists of pairs with bytes: lane r of \[m\]\[n\] = Σ q\[m\]\[2 j + i\] bytes\[j\]\[4 n + r\]\[i\] over
/// i = 0, 1 and j below `pairs`, where bytes\[j\] begins `stride` bytes behind the one before. At most 32 * 127 * 32767.
///
/// `pairs` is no constant, so that this stays a loop: unrolled, the compiler sums one lane after the other, and what all of them
/// read does not fit the registers.
#[inline(always)]
fn dots<const M: usize>(q: [&[i16; GROUP]; M], pairs: usize, bytes: &[u8], stride: usize) -> [[v128; 2]; M] {
    let mut acc = [[i32x4_splat(0); 2]; M];
    assert!((1..=PAIRS).contains(&pairs) && (pairs - 1) * stride + 16 <= bytes.len());
    for j in 0..pairs {
        // SAFETY: sixteen bytes from j * stride were just checked to be there
        let v = [0, 8].map(|n| unsafe { i16x8_load_extend_i8x8(bytes.as_ptr().add(j * stride + n).cast()) });
        for m in 0..M {
            // SAFETY: two i16 from 2 j, with j below PAIRS, are in an array of 2 * PAIRS
            let q = unsafe { v128_load32_splat(q[m].as_ptr().add(2 * j).cast()) };
            acc[m][0] = i32x4_add(acc[m][0], i32x4_dot_i16x8(q, v[0]));
            acc[m][1] = i32x4_add(acc[m][1], i32x4_dot_i16x8(q, v[1]));
        }
    }
    acc
}

/// The softmax's weights (positions) times the scales of the positions' values. What has no weight stays without, whatever is
/// left of what was stored there before.
#[inline(always)]
fn weighted(weights: &[f32; BLOCK], scales: &[u8], group: usize) -> [f32; BLOCK] {
    let mut all = [0.0; BLOCK];
    for i in (0..BLOCK).step_by(4) {
        let weight = load(weights, i);
        let product = f32x4_mul(weight, numbers(scales, group * BLOCK + i));
        store(&mut all, i, v128_and(product, f32x4_ne(weight, f32x4_splat(0.0))));
    }
    all
}

/// out (at most 8) = factor * out + scale * dots.
#[inline(always)]
fn add(out: &mut [f32], [factor, scale]: [v128; 2], dots: [v128; 2]) {
    if out.len() < 8 {
        let mut all = [0.0; 8];
        all[..out.len()].copy_from_slice(out);
        add(&mut all, [factor, scale], dots);
        out.copy_from_slice(&all[..out.len()]);
        return;
    }
    for (n, dots) in dots.into_iter().enumerate() {
        let sum = madd(f32x4_convert_i32x4(dots), scale, f32x4_mul(load(out, 4 * n), factor));
        store(out, 4 * n, sum);
    }
}

/// Four f32 from the i-th on.
#[inline(always)]
fn numbers(bytes: &[u8], i: usize) -> v128 {
    let four = &bytes[i * BYTES..][..4 * BYTES];
    // SAFETY: these are sixteen readable bytes
    unsafe { v128_load(four.as_ptr().cast()) }
}
