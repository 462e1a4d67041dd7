/// out = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich 2019, arXiv 1910.07467).
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let sum: f64 = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    let scale = 1.0 / (sum / x.len() as f64 + f64::from(eps)).sqrt();
    for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
        *out = (f64::from(*x) * scale) as f32 * w;
    }
}
