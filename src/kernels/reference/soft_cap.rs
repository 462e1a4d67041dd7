/// x = cap * tanh(x / cap) (Gemma 2, arXiv 2408.00118).
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    for x in x {
        *x = (f64::from(cap) * (f64::from(*x) / f64::from(cap)).tanh()) as f32;
    }
}
