use super::lanes::{load, store, sum};
use core::arch::wasm32::*;

/// out = x / sqrt(mean(x²) + eps) * weight.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let vectors = x.len() / 4 * 4;
    let mut squares = f32x4_splat(0.0);
    for i in (0..vectors).step_by(4) {
        let v = load(x, i);
        squares = f32x4_add(squares, f32x4_mul(v, v));
    }
    let total = sum(squares) + x[vectors..].iter().map(|v| v * v).sum::<f32>();
    let scale = 1.0 / (total / x.len() as f32 + eps).sqrt();
    for i in (0..vectors).step_by(4) {
        store(out, i, f32x4_mul(f32x4_mul(load(x, i), f32x4_splat(scale)), load(weight, i)));
    }
    for i in vectors..x.len() {
        out[i] = x[i] * scale * weight[i];
    }
}
