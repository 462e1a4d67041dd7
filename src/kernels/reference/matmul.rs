use super::Matrix;

/// out (n, rows) = x (n, cols) @ W (rows, cols)ᵀ.
pub(super) fn matmul(w: &Matrix, n: usize, x: &[f32], out: &mut [f32]) {
    let mut row = vec![0.0; w.cols];
    for r in 0..w.rows {
        w.row(r, &mut row);
        for t in 0..n {
            let x = &x[t * w.cols..(t + 1) * w.cols];
            let dot: f64 = x.iter().zip(&row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            out[t * w.rows + r] = dot as f32;
        }
    }
}
