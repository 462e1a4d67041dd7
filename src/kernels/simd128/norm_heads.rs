use super::lanes::{load, store, sum};
use core::arch::wasm32::*;

/// x = x / sqrt(mean(x²) + eps) * weight for each run of `weight`'s length, in place.
pub(super) fn norm_heads(x: &mut [f32], weight: &[f32], eps: f32) {
    let len = weight.len();
    let vectors = len / 4 * 4;
    for head in x.chunks_exact_mut(len) {
        let mut squares = f32x4_splat(0.0);
        for i in (0..vectors).step_by(4) {
            let v = load(head, i);
            squares = f32x4_add(squares, f32x4_mul(v, v));
        }
        let total = sum(squares) + head[vectors..].iter().map(|v| v * v).sum::<f32>();
        let scale = 1.0 / (total / len as f32 + eps).sqrt();
        for i in (0..vectors).step_by(4) {
            let v = f32x4_mul(f32x4_mul(load(head, i), f32x4_splat(scale)), load(weight, i));
            store(head, i, v);
        }
        for (x, w) in head[vectors..].iter_mut().zip(&weight[vectors..]) {
            *x = *x * scale * w;
        }
    }
}
