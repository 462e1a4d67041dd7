/// gate = silu(gate) * up, with silu(x) = x / (1 + exp(-x)) (SwiGLU, Shazeer 2020, arXiv 2002.05202).
pub(super) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (g, u) in gate.iter_mut().zip(up) {
        let x = f64::from(*g);
        *g = (x / (1.0 + (-x).exp())) as f32 * u;
    }
}
