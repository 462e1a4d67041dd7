use crate::kernels::Attention;
use crate::kernels::cpu::{Floats, Output};
use std::ops::Range;

/// out = softmax(scale * q kᵀ) v, causal, for q and out (n, heads * head_dim).
///
/// Query head h reads key/value head h / (heads / kv_heads) (grouped-query attention, arXiv 2305.13245).
/// A window of w leaves a row itself and the w - 1 positions before it (arXiv 2310.06825); scores may be capped by a tanh
/// (arXiv 2408.00118).
pub(super) fn attention(
    q: &[f32],
    cache: &Floats,
    position: usize,
    a: Attention,
    groups: Range<usize>,
    out: &mut Output<'_>,
) {
    let (q_width, kv_width, group) = (a.heads * a.head_dim, cache.width(), a.heads / a.kv_heads);
    for g in groups {
        let rows = q.len() / q_width;
        let (row, kv_head) = (g % rows, g / rows);
        let seen = position + row + 1;
        let first = seen.saturating_sub(a.window.unwrap_or(seen));
        for h in kv_head * group..(kv_head + 1) * group {
            let q = &q[row * q_width..][h * a.head_dim..(h + 1) * a.head_dim];
            let at = |p: usize| p * kv_width + kv_head * a.head_dim;
            let score = |p: usize| f64::from(a.scale) * dot(q, &cache.keys()[at(p)..at(p) + a.head_dim]);
            let scores: Vec<f64> = (first..seen).map(|p| capped(score(p), a.soft_cap)).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (d, out) in out.part(row, h * a.head_dim..(h + 1) * a.head_dim).iter_mut().enumerate() {
                let value = |p: usize| f64::from(cache.values()[at(p) + d]);
                let v: f64 = weights.iter().enumerate().map(|(i, w)| w * value(first + i)).sum();
                *out = (v / sum) as f32;
            }
        }
    }
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn capped(score: f64, cap: Option<f32>) -> f64 {
    cap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
}
