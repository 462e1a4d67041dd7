//! Keys and values in f32: keys interleaved by [`KEY_PANEL`] positions, values as they come.

use super::super::lanes::{load, madd, splat, store};
use super::{BLOCK, Head, Source, Tile, Weights};
use crate::kernels::cpu::{Floats, Output};
use core::arch::wasm32::*;
use std::ops::Range;

/// Positions whose keys are interleaved: one cache line for each element.
pub(in super::super) const KEY_PANEL: usize = 16;

/// One key/value head's.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) floats: &'a Floats,
    pub(super) kv_head: usize,
}

impl Source for Part<'_> {
    type Queries = ();

    fn queries(self, _head: &Head<'_, Self>, _queries: Range<usize>) {}

    #[inline(always)]
    fn score<const M: usize>(self, head: &Head<'_, Self>, _q: &(), tile: Tile, weights: &mut [[f32; BLOCK]; M]) {
        let q: [&[f32]; M] = std::array::from_fn(|m| head.query(tile.first + m));
        for panel in (tile.block..tile.end.min(tile.block + BLOCK)).step_by(KEY_PANEL) {
            self.score_panel(head.a.head_dim, q, panel, panel - tile.block, weights);
        }
    }

    #[inline(always)]
    fn mix<const M: usize>(self, head: &Head<'_, Self>, tile: Tile, weights: &Weights<M>, out: &mut Output<'_>) {
        let mut d = 0;
        while d + 8 <= head.a.head_dim {
            self.mix_some::<M, 2>(head, tile, d, weights, out);
            d += 8;
        }
        while d < head.a.head_dim {
            self.mix_one(head, tile, d, weights, out);
            d += 1;
        }
    }
}

impl Part<'_> {
    /// weights (M, BLOCK) from `at` on = q · k for the positions of a panel.
    #[inline(always)]
    fn score_panel<const M: usize>(
        self,
        head_dim: usize,
        q: [&[f32]; M],
        panel: usize,
        at: usize,
        weights: &mut [[f32; BLOCK]; M],
    ) {
        let keys = &self.floats.keys()[panel * self.floats.width() + self.kv_head * head_dim * KEY_PANEL..];
        let keys = &keys.as_chunks::<KEY_PANEL>().0[..head_dim];
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

    /// [`Source::mix`] in elements d .. d + 4 N.
    #[inline(always)]
    fn mix_some<const M: usize, const N: usize>(
        self,
        head: &Head<'_, Self>,
        tile: Tile,
        d: usize,
        weights: &Weights<M>,
        out: &mut Output<'_>,
    ) {
        let mut acc = [[f32x4_splat(0.0); N]; M];
        for (m, acc) in acc.iter_mut().enumerate() {
            let out = head.part(tile.first + m, d..d + 4 * N, out);
            for (n, acc) in acc.iter_mut().enumerate() {
                *acc = f32x4_mul(load(out, 4 * n), f32x4_splat(weights.factor[m]));
            }
        }
        for (j, values) in self.values(head, tile).enumerate().take(BLOCK) {
            let v: [v128; N] = std::array::from_fn(|n| load(values, d + 4 * n));
            for (acc, weights) in acc.iter_mut().zip(weights.weights) {
                let w = splat(weights, j);
                for (acc, v) in acc.iter_mut().zip(v) {
                    *acc = madd(w, v, *acc);
                }
            }
        }
        for (m, acc) in acc.iter().enumerate() {
            let out = head.part(tile.first + m, d..d + 4 * N, out);
            for (n, acc) in acc.iter().enumerate() {
                store(out, 4 * n, *acc);
            }
        }
    }

    /// The same in element d, for heads that are not whole vectors.
    fn mix_one<const M: usize>(
        self,
        head: &Head<'_, Self>,
        tile: Tile,
        d: usize,
        weights: &Weights<M>,
        out: &mut Output<'_>,
    ) {
        for m in 0..M {
            let weighted = self.values(head, tile).zip(&weights.weights[m]).map(|(v, w)| v[d] * w);
            let sum: f32 = weighted.sum();
            let out = head.part(tile.first + m, d..d + 1, out);
            out[0] = out[0] * weights.factor[m] + sum;
        }
    }

    /// The values of this head at the positions of the tile's block and behind, to its end.
    #[inline(always)]
    fn values(&self, head: &Head<'_, Self>, tile: Tile) -> impl Iterator<Item = &[f32]> {
        let width = self.floats.width();
        let rows = self.floats.values()[tile.block * width..tile.end * width].chunks_exact(width);
        rows.map(|row| &row[self.kv_head * head.a.head_dim..][..head.a.head_dim])
    }
}
