//! Keys and values in f32.
//!
//! A block is *lines* of 16 numbers: keys interleaved by 16 positions, then values by 16 elements, so that a query times keys and weights
//! times values are one loop. It takes lines from two places, the halves of a block's keys or of its values: a processor fetches memory
//! ahead within a page, and so it does for two at a time.

use super::super::lanes::{load, madd, splat, store};
use super::super::pairs;
use super::blocks::{Layout, Part};
use super::{BLOCK, Head, LINE, Source, Tile, Weights};
use core::arch::wasm32::*;
use std::ops::Range;

type Line = [f32; LINE];

/// Where things are in a block of a head: keys (2, elements, [`LINE`] positions), values (elements / [`LINE`], [`BLOCK`], [`LINE`] elements).
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    head_dim: usize,
}

impl Lines {
    /// Lines of keys.
    fn keys(self) -> usize {
        BLOCK / LINE * self.head_dim
    }
}

impl Layout for Lines {
    type Unit = Line;
    const EMPTY: Line = [0.0; LINE];

    fn new(head_dim: usize) -> Self {
        Self { head_dim }
    }

    fn head_dim(self) -> usize {
        self.head_dim
    }

    fn units(self) -> usize {
        self.keys() + self.head_dim.div_ceil(LINE) * BLOCK
    }

    fn put(self, block: &mut [Line], at: usize, k: &[f32], v: &[f32]) {
        let (keys, values) = block.split_at_mut(self.keys());
        for (line, k) in keys[at / LINE * self.head_dim..].iter_mut().zip(k) {
            line[at % LINE] = *k;
        }
        for (values, v) in values.chunks_exact_mut(BLOCK).zip(v.chunks(LINE)) {
            values[at][..v.len()].copy_from_slice(v);
        }
    }
}

impl Source for Part<'_, Lines> {
    type Queries = ();

    fn queries(self, _head: &Head<'_, Self>, _queries: Range<usize>) {}

    #[inline(always)]
    fn score<const M: usize>(self, head: &Head<'_, Self>, _q: &(), tile: Tile, weights: &mut [[f32; BLOCK]; M]) {
        let (keys, _) = self.block(tile.block).split_at(self.layout.keys());
        let (first, second) = keys.split_at(self.layout.head_dim);
        let q: [&[f32]; M] = std::array::from_fn(|m| head.query(tile.first + m));
        products(q, [first, second], &mut Scores(weights));
    }

    #[inline(always)]
    fn mix<const M: usize>(self, tile: Tile, weights: &Weights<M>, sums: &mut [f32]) {
        // those of positions that there are
        let some = (tile.end - tile.block).min(BLOCK);
        let (_, values) = self.block(tile.block).split_at(self.layout.keys());
        let chunks = self.layout.head_dim.div_ceil(LINE);
        for pair in pairs(0..chunks) {
            let lines = pair.map(|chunk| &values[chunk * BLOCK..][..some]);
            let mut outputs = Outputs { width: chunks * LINE, factor: weights.factor, pair, sums };
            products(weights.weights.each_ref().map(|weights| &weights[..]), lines, &mut outputs);
        }
    }
}

/// Where the sums of [`products`] begin and end: four of them, of `x[m]` and `lines[s]`, from number `at` of a line on.
trait Sums {
    fn begin(&mut self, m: usize, s: usize, at: usize) -> v128;
    fn end(&mut self, m: usize, s: usize, at: usize, sums: v128);
}

/// Scores of M queries.
struct Scores<'a, const M: usize>(&'a mut [[f32; BLOCK]; M]);

impl<const M: usize> Sums for Scores<'_, M> {
    #[inline(always)]
    fn begin(&mut self, _m: usize, _s: usize, _at: usize) -> v128 {
        f32x4_splat(0.0)
    }

    #[inline(always)]
    fn end(&mut self, m: usize, s: usize, at: usize, sums: v128) {
        store(&mut self.0[m], s * LINE + at, sums);
    }
}

/// Elements of the outputs of M queries: lines `pair` of them.
struct Outputs<'a, const M: usize> {
    width: usize,
    factor: &'a [f32; M],
    pair: [usize; 2],
    /// (M, width)
    sums: &'a mut [f32],
}

impl<const M: usize> Sums for Outputs<'_, M> {
    #[inline(always)]
    fn begin(&mut self, m: usize, s: usize, at: usize) -> v128 {
        f32x4_mul(load(self.sums, m * self.width + self.pair[s] * LINE + at), f32x4_splat(self.factor[m]))
    }

    #[inline(always)]
    fn end(&mut self, m: usize, s: usize, at: usize, sums: v128) {
        store(self.sums, m * self.width + self.pair[s] * LINE + at, sums);
    }
}

/// Adds to the sums Σ x\[m\]\[i\] lines\[s\]\[i\].
#[inline(always)]
fn products<const M: usize>(x: [&[f32]; M], lines: [&[Line]; 2], sums: &mut impl Sums) {
    // as many sums as registers hold, or as take turns without waiting for each other
    match M {
        1 => in_parts::<M, 4>(x, lines, sums),
        2 | 3 => in_parts::<M, 2>(x, lines, sums),
        _ => in_parts::<M, 1>(x, lines, sums),
    }
}

/// The same in parts of V vectors of a line.
#[inline(always)]
fn in_parts<const M: usize, const V: usize>(x: [&[f32]; M], [first, second]: [&[Line]; 2], sums: &mut impl Sums) {
    let x = x.map(|x| &x[..first.len()]);
    for at in (0..LINE).step_by(4 * V) {
        let mut acc = [[[f32x4_splat(0.0); V]; 2]; M];
        for (m, acc) in acc.iter_mut().enumerate() {
            *acc = std::array::from_fn(|s| std::array::from_fn(|v| sums.begin(m, s, at + 4 * v)));
        }
        for (i, (first, second)) in first.iter().zip(second).enumerate() {
            for (s, line) in [first, second].into_iter().enumerate() {
                let line: [v128; V] = std::array::from_fn(|v| load(line, at + 4 * v));
                for (acc, x) in acc.iter_mut().zip(x) {
                    let x = splat(x, i);
                    for (acc, line) in acc[s].iter_mut().zip(line) {
                        *acc = madd(x, line, *acc);
                    }
                }
            }
        }
        for (m, acc) in acc.iter().enumerate() {
            for (s, acc) in acc.iter().enumerate() {
                acc.iter().enumerate().for_each(|(v, acc)| sums.end(m, s, at + 4 * v, *acc));
            }
        }
    }
}
