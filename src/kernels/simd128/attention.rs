//! Grouped-query attention over the cache in f32: an online softmax (arXiv 1805.02867) over blocks of keys, which query
//! heads of one key/value head go through together while they are in the first cache.
//!
//! Keys are interleaved by [`KEY_PANEL`] positions, so that a lane is a key and nothing is summed across lanes. Blocks begin at
//! multiples of [`BLOCK`], and a block that a query does not see changes nothing: a query alone and among others gives
//! equal bits.

use super::exp::{exp, tanh};
use super::lanes::{load, madd, splat, store, sum};
use crate::kernels::Attention;
use crate::kernels::cpu::{Cache, Output};
use core::arch::wasm32::*;
use std::ops::Range;

/// Positions whose keys are interleaved: one cache line for each element.
pub(super) const KEY_PANEL: usize = 16;
/// Positions between two looks at the softmax's maximum.
const BLOCK: usize = 2 * KEY_PANEL;
/// Queries that go through the keys together; their state is some KiB.
const QUERIES: usize = 32;
/// Queries whose sums are in registers together.
const TILE: usize = 4;

/// out = softmax(scale * q kᵀ) v, causal; q and out (n, heads * head_dim), those `groups` of heads.
pub(super) fn attention(q: &[f32], cache: Cache<'_>, a: Attention, groups: Range<usize>, out: &mut Output<'_>) {
    let rows = q.len() / (a.heads * a.head_dim);
    let per_row = a.heads / a.kv_heads;
    let mut g = groups.start;
    while g < groups.end {
        // consecutive groups are consecutive rows of one key/value head
        let (kv_head, first) = (g / rows, g % rows);
        let some = (groups.end - g).min(rows - first);
        let head = Head { q, cache, a, kv_head, first_row: first };
        let queries = some * per_row;
        for start in (0..queries).step_by(QUERIES) {
            head.attend(start..queries.min(start + QUERIES), out);
        }
        g += some;
    }
}

/// x = cap * tanh(x / cap).
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    let vectors = x.len() / 4 * 4;
    for i in (0..vectors).step_by(4) {
        let v = capped(load(x, i), cap);
        store(x, i, v);
    }
    for x in &mut x[vectors..] {
        *x = f32x4_extract_lane::<0>(capped(f32x4_splat(*x), cap));
    }
}

#[inline(always)]
fn capped(x: v128, cap: f32) -> v128 {
    let cap = f32x4_splat(cap);
    f32x4_mul(cap, tanh(f32x4_div(x, cap)))
}

/// One key/value head and the rows from `first_row` on; its query i is head i % (heads / kv_heads) of row
/// first_row + i / (heads / kv_heads).
struct Head<'a> {
    q: &'a [f32],
    cache: Cache<'a>,
    a: Attention,
    kv_head: usize,
    first_row: usize,
}

/// The softmax so far of each query, and its weights for the current block of keys.
struct State {
    most: [f32; QUERIES],
    total: [f32; QUERIES],
    /// What sums so far are multiplied by, since the maximum has changed.
    factor: [f32; QUERIES],
    weights: [[f32; BLOCK]; QUERIES],
}

impl Head<'_> {
    /// The row of a query.
    fn row(&self, query: usize) -> usize {
        self.first_row + query / (self.a.heads / self.a.kv_heads)
    }

    /// The columns of a query in its row.
    fn columns(&self, query: usize) -> Range<usize> {
        let per_row = self.a.heads / self.a.kv_heads;
        let head = self.kv_head * per_row + query % per_row;
        head * self.a.head_dim..(head + 1) * self.a.head_dim
    }

    fn query(&self, query: usize) -> &[f32] {
        &self.q[self.row(query) * self.a.heads * self.a.head_dim..][self.columns(query)]
    }

    /// The positions that a query sees.
    fn sees(&self, query: usize) -> Range<usize> {
        let end = self.cache.position + self.row(query) + 1;
        end.saturating_sub(self.a.window.unwrap_or(end))..end
    }

    /// Attention of at most [`QUERIES`] queries.
    fn attend(&self, queries: Range<usize>, out: &mut Output<'_>) {
        let mut state = State {
            most: [f32::NEG_INFINITY; QUERIES],
            total: [0.0; QUERIES],
            factor: [1.0; QUERIES],
            weights: [[0.0; BLOCK]; QUERIES],
        };
        for query in queries.clone() {
            out.part(self.row(query), self.columns(query)).fill(0.0);
        }
        let end = self.sees(queries.end - 1).end;
        for block in (self.sees(queries.start).start / BLOCK * BLOCK..end).step_by(BLOCK) {
            self.in_tiles(&queries, block, end, &mut state, out);
        }
        for (i, query) in queries.enumerate() {
            scale(out.part(self.row(query), self.columns(query)), 1.0 / state.total[i]);
        }
    }

    /// Takes a block of keys and values into account.
    fn in_tiles(&self, queries: &Range<usize>, block: usize, end: usize, state: &mut State, out: &mut Output<'_>) {
        let mut i = 0;
        while i < queries.len() {
            let first = queries.start + i;
            match queries.len() - i {
                1 => self.tile::<1>(first, i, block, end, state, out),
                2 => self.tile::<2>(first, i, block, end, state, out),
                3 => self.tile::<3>(first, i, block, end, state, out),
                _ => self.tile::<TILE>(first, i, block, end, state, out),
            }
            i += TILE;
        }
    }

    /// The same for queries `first` .. `first + M`, whose state is at `i`.
    #[inline(never)]
    fn tile<const M: usize>(
        &self,
        first: usize,
        i: usize,
        block: usize,
        end: usize,
        state: &mut State,
        out: &mut Output<'_>,
    ) {
        let q: [&[f32]; M] = std::array::from_fn(|m| self.query(first + m));
        for panel in (block..end.min(block + BLOCK)).step_by(KEY_PANEL) {
            self.score(q, panel, panel - block, &mut state.weights[i..i + M]);
        }
        for m in 0..M {
            self.weigh(first + m, block, i + m, state);
        }
        let mut d = 0;
        while d + 8 <= self.a.head_dim {
            self.mix::<M, 2>(first, i, d, block, end, state, out);
            d += 8;
        }
        while d < self.a.head_dim {
            self.mix_one::<M>(first, i, d, block, end, state, out);
            d += 1;
        }
    }

    /// weights (M, BLOCK) from `at` on = q · k for the positions of a panel.
    #[inline(always)]
    fn score<const M: usize>(&self, q: [&[f32]; M], panel: usize, at: usize, weights: &mut [[f32; BLOCK]]) {
        let width = self.a.kv_heads * self.a.head_dim;
        let keys = &self.cache.keys[panel * width + self.kv_head * self.a.head_dim * KEY_PANEL..];
        let keys = &keys.as_chunks::<KEY_PANEL>().0[..self.a.head_dim];
        let q = q.map(|q| &q[..keys.len()]);
        for half in [0, KEY_PANEL / 2] {
            let mut acc = [[f32x4_splat(0.0); 2]; M];
            for (d, k) in keys.iter().enumerate() {
                let k = [load(k, half), load(k, half + 4)];
                for (acc, q) in acc.iter_mut().zip(q) {
                    let a = splat(q, d);
                    acc[0] = madd(a, k[0], acc[0]);
                    acc[1] = madd(a, k[1], acc[1]);
                }
            }
            for (weights, acc) in weights.iter_mut().zip(&acc) {
                store(weights, at + half, acc[0]);
                store(weights, at + half + 4, acc[1]);
            }
        }
    }

    /// Turns the scores of one query into weights of its softmax so far; 0 where it does not see.
    fn weigh(&self, query: usize, block: usize, i: usize, state: &mut State) {
        let seen = self.sees(query);
        let seen = seen.start.saturating_sub(block)..seen.end.saturating_sub(block).min(BLOCK);
        let weights = &mut state.weights[i];
        state.factor[i] = 1.0;
        if seen.start >= seen.end {
            weights.fill(0.0);
            return;
        }
        let bounds = [i32x4_splat(seen.start as i32), i32x4_splat(seen.end as i32)];
        let visible = |at: usize| {
            let position = i32x4_add(i32x4(0, 1, 2, 3), i32x4_splat(at as i32));
            v128_and(i32x4_ge(position, bounds[0]), i32x4_lt(position, bounds[1]))
        };
        let mut most = f32x4_splat(state.most[i]);
        for at in (0..BLOCK).step_by(4) {
            let score = f32x4_mul(load(weights, at), f32x4_splat(self.a.scale));
            let score = self.a.soft_cap.map_or(score, |cap| capped(score, cap));
            store(weights, at, score);
            most = f32x4_max(most, v128_bitselect(score, f32x4_splat(f32::NEG_INFINITY), visible(at)));
        }
        let most = f32x4_max(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
        let most = f32x4_max(most, i32x4_shuffle::<1, 0, 3, 2>(most, most));
        let mut total = f32x4_splat(0.0);
        for at in (0..BLOCK).step_by(4) {
            let weight = v128_and(exp(f32x4_sub(load(weights, at), most)), visible(at));
            total = f32x4_add(total, weight);
            store(weights, at, weight);
        }
        let factor = f32x4_extract_lane::<0>(exp(f32x4_sub(f32x4_splat(state.most[i]), most)));
        state.total[i] = state.total[i] * factor + sum(total);
        (state.factor[i], state.most[i]) = (factor, f32x4_extract_lane::<0>(most));
    }

    /// out = factor * out + Σ weights[p] v[p], in elements d .. d + 4 N of M queries.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // a part of one loop nest
    fn mix<const M: usize, const N: usize>(
        &self,
        first: usize,
        i: usize,
        d: usize,
        block: usize,
        end: usize,
        state: &State,
        out: &mut Output<'_>,
    ) {
        let mut acc = [[f32x4_splat(0.0); N]; M];
        for (m, acc) in acc.iter_mut().enumerate() {
            let out = self.part(first + m, d..d + 4 * N, out);
            for (n, acc) in acc.iter_mut().enumerate() {
                *acc = f32x4_mul(load(out, 4 * n), f32x4_splat(state.factor[i + m]));
            }
        }
        let weights: [&[f32; BLOCK]; M] = std::array::from_fn(|m| &state.weights[i + m]);
        for (j, values) in self.values(block, end).enumerate().take(BLOCK) {
            let v: [v128; N] = std::array::from_fn(|n| load(values, d + 4 * n));
            for (acc, weights) in acc.iter_mut().zip(weights) {
                let w = splat(weights, j);
                for (acc, v) in acc.iter_mut().zip(v) {
                    *acc = madd(w, v, *acc);
                }
            }
        }
        for (m, acc) in acc.iter().enumerate() {
            let out = self.part(first + m, d..d + 4 * N, out);
            for (n, acc) in acc.iter().enumerate() {
                store(out, 4 * n, *acc);
            }
        }
    }

    /// The same in element d, for heads that are not whole vectors.
    #[allow(clippy::too_many_arguments)]
    fn mix_one<const M: usize>(
        &self,
        first: usize,
        i: usize,
        d: usize,
        block: usize,
        end: usize,
        state: &State,
        out: &mut Output<'_>,
    ) {
        for m in 0..M {
            let weighted = self.values(block, end).zip(&state.weights[i + m]).map(|(v, w)| v[d] * w);
            let sum: f32 = weighted.sum();
            let out = self.part(first + m, d..d + 1, out);
            out[0] = out[0] * state.factor[i + m] + sum;
        }
    }

    fn part<'b>(&self, query: usize, elements: Range<usize>, out: &'b mut Output<'_>) -> &'b mut [f32] {
        let start = self.columns(query).start;
        out.part(self.row(query), start + elements.start..start + elements.end)
    }

    /// The values of this head at the positions from `block` on, to `end`.
    #[inline(always)]
    fn values(&self, block: usize, end: usize) -> impl Iterator<Item = &[f32]> {
        let width = self.a.kv_heads * self.a.head_dim;
        let rows = self.cache.values[block * width..end * width].chunks_exact(width);
        rows.map(|row| &row[self.kv_head * self.a.head_dim..][..self.a.head_dim])
    }
}

/// x *= factor.
fn scale(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}
