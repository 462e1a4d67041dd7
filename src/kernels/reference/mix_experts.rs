/// out (width) = sum over slots of weights (used) * x (used, width).
pub(super) fn mix_experts(x: &[f32], weights: &[f32], out: &mut [f32]) {
    let width = out.len();
    for (i, out) in out.iter_mut().enumerate() {
        let terms = weights.iter().enumerate().map(|(s, &w)| f64::from(w) * f64::from(x[s * width + i]));
        *out = terms.sum::<f64>() as f32;
    }
}
