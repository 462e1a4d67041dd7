use crate::kernels::Activation;

/// gate = activation(gate) * up (GLU variants, Shazeer 2020, arXiv 2002.05202).
pub(super) fn gated(gate: &mut [f32], up: &[f32], activation: Activation) {
    for (g, u) in gate.iter_mut().zip(up) {
        *g = activate(f64::from(*g), activation) as f32 * u;
    }
}

/// GELU is its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415), relu² that of So et al. 2021, arXiv 2109.08668.
fn activate(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        // not max(): it would turn NaN into 0
        Activation::ReluSquared => {
            if x < 0.0 {
                0.0
            } else {
                x * x
            }
        }
    }
}
