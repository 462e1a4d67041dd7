use super::Matrix;

/// out (cols) = row `token` of the table (vocabulary, cols).
pub(super) fn embed(table: &Matrix, token: usize, out: &mut [f32]) {
    table.row(token, out);
}
