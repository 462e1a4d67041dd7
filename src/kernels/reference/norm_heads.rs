/// x = x / sqrt(mean(x²) + eps) * weight for each run of `weight`'s length, in place.
pub(super) fn norm_heads(x: &mut [f32], weight: &[f32], eps: f32) {
    for head in x.chunks_exact_mut(weight.len()) {
        let sum: f64 = head.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let scale = 1.0 / (sum / weight.len() as f64 + f64::from(eps)).sqrt();
        for (x, w) in head.iter_mut().zip(weight) {
            *x = (f64::from(*x) * scale) as f32 * w;
        }
    }
}
