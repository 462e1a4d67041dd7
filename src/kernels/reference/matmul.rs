use super::Matrix;
use crate::kernels::cpu::Output;
use std::ops::Range;

/// out (n, rows) = x (n, cols) @ W (rows, cols)ᵀ, for `rows` of W.
pub(super) fn matmul(w: &Matrix, n: usize, x: &[f32], rows: Range<usize>, out: &mut Output<'_>) {
    let mut row = vec![0.0; w.cols];
    for r in rows {
        w.row(r, &mut row);
        for t in 0..n {
            let x = &x[t * w.cols..(t + 1) * w.cols];
            let dot: f64 = x.iter().zip(&row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            out.part(t, r..r + 1)[0] = dot as f32;
        }
    }
}
