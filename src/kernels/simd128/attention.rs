//! Grouped-query attention: the query heads that share a key/value head go through its rows together.

use super::exp::{exp, tanh};
use super::lanes::{load, splat, store, sum};
use crate::kernels::Attention;
use crate::kernels::cpu::{Cache, Output};
use core::arch::wasm32::*;
use std::ops::Range;

/// out = softmax(scale * q kᵀ) v, causal; q and out (n, heads * head_dim), those `groups` of heads.
pub(super) fn attention(q: &[f32], cache: Cache<'_>, a: Attention, groups: Range<usize>, out: &mut Output<'_>) {
    let q_width = a.heads * a.head_dim;
    let (group, kv_width) = (a.heads / a.kv_heads, a.kv_heads * a.head_dim);
    let rows = q.len() / q_width;
    let most = (cache.position + rows).next_multiple_of(4);
    let mut scores = vec![0.0; group * most]; // (group, positions)
    for (row, h) in groups.map(|g| (g / a.kv_heads, g % a.kv_heads)) {
        let first = (cache.position + row + 1).saturating_sub(a.window.unwrap_or(usize::MAX));
        let (keys, values) = (&cache.keys[first * kv_width..], &cache.values[first * kv_width..]);
        let seen = cache.position + row + 1 - first;
        let heads = h * group * a.head_dim..(h + 1) * group * a.head_dim;
        let view = Head { keys, values, offset: h * a.head_dim, seen, a };
        view.score(&q[row * q_width..][heads.clone()], &mut scores, most);
        for (scores, out) in scores.chunks_exact_mut(most).zip(out.part(row, heads).chunks_exact_mut(a.head_dim)) {
            if let Some(cap) = a.soft_cap {
                soft_cap(&mut scores[..seen], cap);
            }
            let total = softmax(scores, seen);
            view.mix(scores, 1.0 / total, out);
        }
    }
}

/// x = cap * tanh(x / cap).
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    let cap = f32x4_splat(cap);
    let capped = |x: v128| f32x4_mul(cap, tanh(f32x4_div(x, cap)));
    let vectors = x.len() / 4 * 4;
    for i in (0..vectors).step_by(4) {
        let v = capped(load(x, i));
        store(x, i, v);
    }
    for x in &mut x[vectors..] {
        *x = f32x4_extract_lane::<0>(capped(f32x4_splat(*x)));
    }
}

/// One key/value head, over the positions that a query sees.
struct Head<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    offset: usize,
    seen: usize,
    a: Attention,
}

impl Head<'_> {
    fn row<'b>(&self, all: &'b [f32], p: usize) -> &'b [f32] {
        let start = p * self.a.kv_heads * self.a.head_dim + self.offset;
        &all[start..start + self.a.head_dim]
    }

    /// scores[g][p] = scale * q[g] · k[p]; q (group, head_dim).
    fn score(&self, q: &[f32], scores: &mut [f32], stride: usize) {
        let mut p = 0;
        while p + 4 <= self.seen {
            let k = [0, 1, 2, 3].map(|i| self.row(self.keys, p + i));
            for (g, q) in q.chunks_exact(self.a.head_dim).enumerate() {
                let s = f32x4_mul(dot4(q, k), f32x4_splat(self.a.scale));
                store(scores, g * stride + p, s);
            }
            p += 4;
        }
        for p in p..self.seen {
            let k = self.row(self.keys, p);
            for (g, q) in q.chunks_exact(self.a.head_dim).enumerate() {
                scores[g * stride + p] = f32x4_extract_lane::<0>(dot4(q, [k; 4])) * self.a.scale;
            }
        }
    }

    /// out = factor * Σ weights[p] v[p], in strips that stay in registers.
    fn mix(&self, weights: &[f32], factor: f32, out: &mut [f32]) {
        let mut d = 0;
        while d + 32 <= out.len() {
            self.strip::<8>(weights, factor, d, out);
            d += 32;
        }
        while d + 4 <= out.len() {
            self.strip::<1>(weights, factor, d, out);
            d += 4;
        }
        for (d, out) in out.iter_mut().enumerate().skip(d) {
            let mixed: f32 = (0..self.seen).map(|p| weights[p] * self.row(self.values, p)[d]).sum();
            *out = mixed * factor;
        }
    }

    #[inline(always)]
    fn strip<const N: usize>(&self, weights: &[f32], factor: f32, d: usize, out: &mut [f32]) {
        let mut acc = [f32x4_splat(0.0); N];
        for p in 0..self.seen {
            let (w, v) = (splat(weights, p), self.row(self.values, p));
            for (i, acc) in acc.iter_mut().enumerate() {
                *acc = f32x4_add(*acc, f32x4_mul(w, load(v, d + 4 * i)));
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            store(out, d + 4 * i, f32x4_mul(*acc, f32x4_splat(factor)));
        }
    }
}

/// (q · k[0], ..., q · k[3]).
#[inline(always)]
fn dot4(q: &[f32], k: [&[f32]; 4]) -> v128 {
    let vectors = q.len() / 4 * 4;
    let mut acc = [f32x4_splat(0.0); 4];
    for d in (0..vectors).step_by(4) {
        let q = load(q, d);
        for (acc, k) in acc.iter_mut().zip(k) {
            *acc = f32x4_add(*acc, f32x4_mul(q, load(k, d)));
        }
    }
    let tail = k.map(|k| (vectors..q.len()).map(|d| q[d] * k[d]).sum::<f32>());
    f32x4(sum(acc[0]) + tail[0], sum(acc[1]) + tail[1], sum(acc[2]) + tail[2], sum(acc[3]) + tail[3])
}

/// x[i] = exp(x[i] - max) for i < len; returns their sum.
fn softmax(x: &mut [f32], len: usize) -> f32 {
    let most = x[..len].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let padded = len.next_multiple_of(4);
    x[len..padded].fill(f32::NEG_INFINITY); // exp of it is below 1e-37 and read by nobody
    for i in (0..padded).step_by(4) {
        store(x, i, exp(f32x4_sub(load(x, i), f32x4_splat(most))));
    }
    x[..len].iter().sum()
}
