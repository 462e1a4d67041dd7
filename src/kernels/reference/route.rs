/// routes (2 * used) = the indices of the `used` largest of logits (experts), the lowest index on a tie and NaN last, then
/// the softmax over those logits: that over all experts, normalised to what was chosen.
pub(super) fn route(logits: &[f32], routes: &mut [f32]) {
    let (indices, weights) = routes.split_at_mut(routes.len() / 2);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let rank = |i: usize| if logits[i].is_nan() { f32::NEG_INFINITY } else { logits[i] };
    // stable: equal ones stay in order
    order.sort_by(|&a, &b| rank(b).partial_cmp(&rank(a)).unwrap_or(std::cmp::Ordering::Equal));
    let most = f64::from(logits[order[0]]);
    let exponentials: Vec<f64> = order[..indices.len()].iter().map(|&i| (f64::from(logits[i]) - most).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    for (slot, e) in exponentials.iter().enumerate() {
        (indices[slot], weights[slot]) = (order[slot] as f32, (e / sum) as f32);
    }
}
