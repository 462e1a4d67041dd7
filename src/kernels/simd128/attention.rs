//! Grouped-query attention: an online softmax (arXiv 1805.02867) over blocks of keys, which query heads of one key/value head
//! go through together while they are in the first cache.
//!
//! A lane is a key, so that nothing is summed across lanes. Blocks begin at multiples of [`BLOCK`], and a block that a query
//! does not see changes nothing: a query alone and among others gives equal bits. Each [`PART`] of the positions has a softmax of its
//! own, and those are joined in order: so a single row, whose heads can be fewer than the threads, is divided by positions, and
//! gives the bits that it gives undivided. How keys and values are read is a [`Source`]'s, [`singles`] or [`integers`]; where they are is
//! [`blocks`]'.

mod blocks;
mod integers;
mod singles;

use super::exp::{exp, tanh};
use super::lanes::{load, store, sum};
use crate::kernels::Attention;
use crate::kernels::cpu::Output;
use crate::kernels::cpu::pool::{self, Pool};
use blocks::{Blocks, Layout, Part};
use core::arch::wasm32::*;
use std::ops::Range;

/// Positions between two looks at the softmax's maximum.
const BLOCK: usize = 32;
/// Positions whose softmax is one, in whole blocks.
const PART: usize = 16 * BLOCK;
/// Queries that go through the keys together; their state is some KiB.
const QUERIES: usize = 32;
/// Queries whose sums are in registers together.
const TILE: usize = 4;
/// Neighbouring positions of a key's element, or elements of a value. Values are filled up to whole ones of it with zeros.
const LINE: usize = 16;

/// In f32.
pub(super) type Singles = Blocks<singles::Lines>;
/// With 16 bits.
pub(super) type Sixteen = Blocks<integers::Integers<i16>>;
/// With 8 bits.
pub(super) type Eight = Blocks<integers::Integers<i8>>;

/// Keys and values of one layer.
#[derive(Debug)]
pub enum Cache {
    /// As they are.
    Singles(Singles),
    /// With 16 bits.
    Sixteen(Sixteen),
    /// With 8 bits.
    Eight(Eight),
}

/// How keys and values of one key/value head are read.
trait Source: Copy {
    /// What it makes of queries beside the numbers, once for all blocks.
    type Queries;

    /// See [`Source::Queries`].
    fn queries(self, head: &Head<'_, Self>, queries: Range<usize>) -> Self::Queries;
    /// weights (M, BLOCK) = q · k of `tile`'s queries and the positions of its block; those from its end on mean nothing.
    fn score<const M: usize>(
        self,
        head: &Head<'_, Self>,
        q: &Self::Queries,
        tile: Tile,
        weights: &mut [[f32; BLOCK]; M],
    );
    /// sums = factor * sums + Σ weights\[p\] v\[p\] for `tile`'s queries, over the positions of its block; sums (M, elements of a head
    /// in whole [`LINE`]s).
    fn mix<const M: usize>(self, tile: Tile, weights: &Weights<M>, sums: &mut [f32]);
}

/// Queries and a block of positions that meet.
#[derive(Clone, Copy)]
struct Tile {
    /// The first query of the head.
    first: usize,
    /// Where it is among those that go through the keys together.
    i: usize,
    /// The block's first position.
    block: usize,
    /// The first position that nothing is stored at.
    end: usize,
}

/// What [`Source::mix`] needs of the softmax so far, of M queries.
struct Weights<'a, const M: usize> {
    weights: &'a [[f32; BLOCK]; M],
    factor: &'a [f32; M],
}

/// out = softmax(scale * q kᵀ) v, causal; q and out (n, heads * head_dim). The first row of q is at `position`.
pub(super) fn attention(q: &[f32], cache: &Cache, position: usize, a: Attention, pool: &Pool, out: &mut [f32]) {
    match cache {
        Cache::Singles(blocks) => over(blocks, q, position, a, pool, out),
        Cache::Sixteen(blocks) => over(blocks, q, position, a, pool, out),
        Cache::Eight(blocks) => over(blocks, q, position, a, pool, out),
    }
}

fn over<L>(blocks: &Blocks<L>, q: &[f32], position: usize, a: Attention, pool: &Pool, out: &mut [f32])
where
    L: Layout<Unit: Sync> + Sync,
    for<'a> Part<'a, L>: Source,
{
    let (n, per_row) = (q.len() / (a.heads * a.head_dim), a.heads / a.kv_heads);
    let head = |kv_head, first_row| Head { q, source: blocks.part(kv_head), position, a, kv_head, first_row };
    if n > 1 {
        return pool::groups(pool, n, position, a, out, &|groups, out| {
            let mut g = groups.start;
            while g < groups.end {
                // consecutive groups are consecutive rows of one key/value head
                let (kv_head, first_row) = (g / n, g % n);
                let rows = (groups.end - g).min(n - first_row);
                head(kv_head, first_row).attend_all(rows * per_row, out);
                g += rows;
            }
        });
    }
    let mut pieces = Vec::new();
    for kv_head in 0..a.kv_heads {
        let head = head(kv_head, 0);
        for queries in in_steps(0..per_row, QUERIES) {
            let parts = head.parts(&queries);
            let state = || State::new(queries.len(), head.width());
            pieces.extend(parts.map(|part| Piece { kv_head, queries: queries.clone(), part, state: state() }));
        }
    }
    pool.items(q.len() * (position + 1), &mut pieces, &|piece| {
        let (head, Piece { queries, part, state, .. }) = (head(piece.kv_head, 0), piece);
        head.take_in(queries, &head.source.queries(&head, queries.clone()), part.clone(), state);
    });
    let mut out = Output::new(out, a.heads * a.head_dim);
    for pieces in pieces.chunk_by_mut(|a, b| a.kv_head == b.kv_head && a.queries == b.queries) {
        let [first, others @ ..] = pieces else { continue };
        others.iter().for_each(|piece| first.state.join(&piece.state));
        head(first.kv_head, 0).put(&first.queries, &first.state, &mut out);
    }
}

/// What one thread does for a single row: some of a head's queries and a part of its positions.
struct Piece {
    kv_head: usize,
    queries: Range<usize>,
    part: Range<usize>,
    state: State,
}

/// A range in pieces that end at multiples of `step`.
fn in_steps(all: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    (all.start / step * step..all.end).step_by(step).map(move |start| all.start.max(start)..all.end.min(start + step))
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
struct Head<'a, S> {
    q: &'a [f32],
    source: S,
    /// Of row 0.
    position: usize,
    a: Attention,
    kv_head: usize,
    first_row: usize,
}

/// The softmax of each query over the positions that it has met.
struct State {
    most: [f32; QUERIES],
    /// Of weights; 0 where none was seen.
    total: [f32; QUERIES],
    /// Weighted sums of values: (queries, width).
    sums: Vec<f32>,
    /// Elements of a head in whole [`LINE`]s.
    width: usize,
}

impl State {
    /// Of as many queries that have met nothing.
    fn new(queries: usize, width: usize) -> Self {
        let sums = vec![0.0; queries * width];
        Self { most: [f32::NEG_INFINITY; QUERIES], total: [0.0; QUERIES], sums, width }
    }

    /// Takes in that of other positions, behind these.
    fn join(&mut self, other: &Self) {
        let sums = self.sums.chunks_exact_mut(self.width).zip(other.sums.chunks_exact(other.width));
        for (i, (sums, theirs)) in sums.enumerate() {
            if other.total[i] == 0.0 {
                continue;
            }
            if self.total[i] == 0.0 {
                (self.most[i], self.total[i]) = (other.most[i], other.total[i]);
                sums.copy_from_slice(theirs);
                continue;
            }
            let most = self.most[i].max(other.most[i]);
            let less = f32x4(self.most[i] - most, other.most[i] - most, 0.0, 0.0);
            let factors = exp(less);
            let [ours, others] = [f32x4_extract_lane::<0>(factors), f32x4_extract_lane::<1>(factors)];
            self.total[i] = self.total[i] * ours + other.total[i] * others;
            self.most[i] = most;
            sums.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum = *sum * ours + theirs * others);
        }
    }
}

impl<S: Source> Head<'_, S> {
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
        let end = self.position + self.row(query) + 1;
        end.saturating_sub(self.a.window.unwrap_or(end))..end
    }

    /// Attention of the first `queries` queries.
    fn attend_all(&self, queries: usize, out: &mut Output<'_>) {
        for queries in in_steps(0..queries, QUERIES) {
            let quantized = self.source.queries(self, queries.clone());
            let mut all = State::new(queries.len(), self.width());
            for part in self.parts(&queries) {
                let mut state = State::new(queries.len(), self.width());
                self.take_in(&queries, &quantized, part, &mut state);
                all.join(&state);
            }
            self.put(&queries, &all, out);
        }
    }

    /// The positions that some of the queries see, in parts.
    fn parts(&self, queries: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<S> {
        in_steps(self.sees(queries.start).start..self.sees(queries.end - 1).end, PART)
    }

    /// Takes a part of the positions into account, for at most [`QUERIES`] queries.
    fn take_in(&self, queries: &Range<usize>, quantized: &S::Queries, part: Range<usize>, state: &mut State) {
        for block in in_steps(part.clone(), BLOCK) {
            self.in_tiles(queries, quantized, block.start / BLOCK * BLOCK..part.end, state);
        }
    }

    /// Stores the results.
    fn put(&self, queries: &Range<usize>, state: &State, out: &mut Output<'_>) {
        for ((i, query), sums) in queries.clone().enumerate().zip(state.sums.chunks_exact(state.width)) {
            let factor = 1.0 / state.total[i];
            let out = out.part(self.row(query), self.columns(query));
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * factor);
        }
    }

    /// Elements of a head in whole lines.
    fn width(&self) -> usize {
        self.a.head_dim.next_multiple_of(LINE)
    }

    /// Takes the block of keys and values at the beginning of `positions` into account.
    fn in_tiles(&self, queries: &Range<usize>, quantized: &S::Queries, positions: Range<usize>, state: &mut State) {
        for i in (0..queries.len()).step_by(TILE) {
            let tile = Tile { first: queries.start + i, i, block: positions.start, end: positions.end };
            match queries.len() - i {
                1 => self.tile::<1>(quantized, tile, state),
                2 => self.tile::<2>(quantized, tile, state),
                3 => self.tile::<3>(quantized, tile, state),
                _ => self.tile::<TILE>(quantized, tile, state),
            }
        }
    }

    /// The same for the M queries of a tile.
    #[inline(never)]
    fn tile<const M: usize>(&self, quantized: &S::Queries, tile: Tile, state: &mut State) {
        let mut weights = [[0.0; BLOCK]; M];
        let mut factor = [1.0; M];
        self.source.score(self, quantized, tile, &mut weights);
        for m in 0..M {
            factor[m] = self.weigh(tile.first + m, tile.block, &mut weights[m], tile.i + m, state);
        }
        let sums = &mut state.sums[tile.i * state.width..][..M * state.width];
        self.source.mix(tile, &Weights { weights: &weights, factor: &factor }, sums);
    }

    /// Turns the scores of one query, whose state is at `i`, into weights of its softmax so far; 0 where it does not see. Gives
    /// what sums so far are to be multiplied by, since the maximum has changed.
    fn weigh(&self, query: usize, block: usize, weights: &mut [f32; BLOCK], i: usize, state: &mut State) -> f32 {
        let seen = self.sees(query);
        let seen = seen.start.saturating_sub(block)..seen.end.saturating_sub(block).min(BLOCK);
        if seen.start >= seen.end {
            weights.fill(0.0);
            return 1.0;
        }
        if seen == (0..BLOCK) {
            return self.weigh_seen(weights, i, state, |_, weight, _| weight);
        }
        let bounds = [i32x4_splat(seen.start as i32), i32x4_splat(seen.end as i32)];
        self.weigh_seen(weights, i, state, |at, weight, otherwise| {
            let position = i32x4_add(i32x4(0, 1, 2, 3), i32x4_splat(at as i32));
            let visible = v128_and(i32x4_ge(position, bounds[0]), i32x4_lt(position, bounds[1]));
            v128_bitselect(weight, f32x4_splat(otherwise), visible)
        })
    }

    /// The same; `masked` gives four of the numbers from position `at` of the block on, or what they are otherwise, where they are not
    /// seen.
    #[inline(always)]
    fn weigh_seen(
        &self,
        weights: &mut [f32; BLOCK],
        i: usize,
        state: &mut State,
        masked: impl Fn(usize, v128, f32) -> v128,
    ) -> f32 {
        let mut most = f32x4_splat(state.most[i]);
        for at in (0..BLOCK).step_by(4) {
            let score = f32x4_mul(load(weights, at), f32x4_splat(self.a.scale));
            let score = self.a.soft_cap.map_or(score, |cap| capped(score, cap));
            store(weights, at, score);
            // the first one if the second is NaN, which is then the weight
            most = f32x4_pmax(most, masked(at, score, f32::NEG_INFINITY));
        }
        let most = f32x4_pmax(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
        let most = f32x4_pmax(most, i32x4_shuffle::<1, 0, 3, 2>(most, most));
        let mut total = f32x4_splat(0.0);
        for at in (0..BLOCK).step_by(4) {
            let weight = masked(at, exp(f32x4_sub(load(weights, at), most)), 0.0);
            total = f32x4_add(total, weight);
            store(weights, at, weight);
        }
        let factor = f32x4_extract_lane::<0>(exp(f32x4_sub(f32x4_splat(state.most[i]), most)));
        state.total[i] = state.total[i] * factor + sum(total);
        state.most[i] = f32x4_extract_lane::<0>(most);
        factor
    }
}
