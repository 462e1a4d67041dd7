/// out (width) = the output at the last of `rows` (positions, width) of a causal convolution, each channel by itself;
/// taps (width, count), the last for the newest row. Rows before the first are zero.
pub(super) fn short_conv(rows: &[f32], taps: &[f32], out: &mut [f32]) {
    let (width, count) = (out.len(), taps.len() / out.len());
    for (channel, (out, taps)) in out.iter_mut().zip(taps.chunks_exact(count)).enumerate() {
        let newest_first = rows.chunks_exact(width).rev().zip(taps.iter().rev());
        *out = newest_first.map(|(row, &tap)| f64::from(row[channel]) * f64::from(tap)).sum::<f64>() as f32;
    }
}
