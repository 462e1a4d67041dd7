//! Matrices of f32, f16 and bf16: packing, and products in f32.
//!
//! A panel is 8 rows; for each column it holds the 8 weights of that column, in the file's precision.

use super::lanes::{Line, line, load, splat, store};
use super::{BLOCK, MAX_ROWS, PANEL, Sums, panels, put_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::{Output, zeroed};
use crate::quant::{Form, TensorType};
use core::arch::wasm32::*;
use std::ops::Range;

/// A packed matrix (rows, cols).
#[derive(Debug)]
pub struct Matrix {
    ty: TensorType,
    rows: usize,
    cols: usize,
    lines: Vec<Line>,
}

/// Up to 32 columns of a panel in f32: vector 2k + q is column k of row quad q.
type Widened = [v128; 2 * BLOCK];

impl Matrix {
    pub(super) fn new(ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let mut matrix = Self { ty, rows, cols, lines: Vec::new() };
        matrix.lines = zeroed(rows.div_ceil(PANEL) as u64 * matrix.panel_lines() as u64, "weights")?;
        Ok(matrix)
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lines.len() * size_of::<Line>()) as u64
    }

    /// Lines of one column of a panel: 8 weights of 2 or 4 bytes.
    fn column_lines(&self) -> usize {
        self.ty.block_bytes / 2
    }

    fn panel_lines(&self) -> usize {
        self.cols * self.column_lines()
    }

    /// Line and byte of a weight in its panel.
    fn place(&self, lane: usize, k: usize) -> (usize, usize) {
        let at = lane * self.ty.block_bytes;
        (k * self.column_lines() + at / 16, at % 16)
    }

    pub(super) fn write_rows(&mut self, first_row: usize, bytes: &[u8]) -> Result<()> {
        let (size, panel_lines) = (self.ty.block_bytes, self.panel_lines());
        let row_bytes = self.cols * size;
        if !bytes.len().is_multiple_of(row_bytes) {
            return Err(Error::new(ErrorKind::Internal, format!("{} bytes are not whole rows", bytes.len())));
        }
        let range = panels(first_row, bytes.len() / row_bytes, self.rows)?;
        for (i, row) in bytes.chunks_exact(row_bytes).enumerate() {
            let panel = (range.start + i / PANEL) * panel_lines;
            for (k, weight) in row.chunks_exact(size).enumerate() {
                let (line, byte) = self.place(i % PANEL, k);
                self.lines[panel + line].0[byte..byte + size].copy_from_slice(weight);
            }
        }
        Ok(())
    }

    /// out (cols) = row `r`.
    pub(super) fn row(&self, r: usize, out: &mut [f32]) {
        let panel = &self.lines[r / PANEL * self.panel_lines()..][..self.panel_lines()];
        for (k, out) in out.iter_mut().enumerate() {
            let (line, byte) = self.place(r % PANEL, k);
            let b = &panel[line].0[byte..];
            *out = match self.ty.form {
                Form::F16 => crate::quant::f16_to_f32(u16::from_le_bytes([b[0], b[1]])),
                Form::Bf16 => crate::quant::bf16_to_f32(u16::from_le_bytes([b[0], b[1]])),
                Form::F32 | Form::Codes(_) => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            };
        }
    }

    /// out (n, rows) = x (n, cols) @ Wᵀ, for the rows of `panels`.
    pub(super) fn matmul(&self, n: usize, x: &[f32], panels: Range<usize>, out: &mut Output<'_>) {
        let mut sums: Sums = [0.0; MAX_ROWS * PANEL];
        let sums = &mut sums[..n * PANEL];
        for p in panels {
            let panel = &self.lines[p * self.panel_lines()..(p + 1) * self.panel_lines()];
            sums.fill(0.0);
            for (b, lines) in panel.chunks(BLOCK * self.column_lines()).enumerate() {
                let (weights, columns) = self.widen(lines);
                self.block(&weights, columns, b * BLOCK, x, sums);
            }
            put_rows(sums, p, self.rows, out);
        }
    }

    /// Converts up to 32 columns to f32; returns them and how many there are.
    #[inline(always)]
    fn widen(&self, lines: &[Line]) -> (Widened, usize) {
        let mut out = [f32x4_splat(0.0); 2 * BLOCK];
        match self.ty.form {
            Form::F16 => lines.iter().zip(out.as_chunks_mut::<2>().0).for_each(|(l, o)| *o = f16_to_f32(line(l))),
            Form::Bf16 => lines.iter().zip(out.as_chunks_mut::<2>().0).for_each(|(l, o)| *o = bf16_to_f32(line(l))),
            Form::F32 | Form::Codes(_) => lines.iter().zip(&mut out).for_each(|(l, o)| *o = line(l)),
        }
        (out, lines.len() / self.column_lines())
    }

    /// sums (n, 8) += x (n, columns from `first`) @ weightsᵀ.
    #[inline(always)]
    fn block(&self, weights: &Widened, columns: usize, first: usize, x: &[f32], sums: &mut [f32]) {
        let n = x.len() / self.cols;
        let part = |row: usize| &x[row * self.cols + first..][..columns];
        let mut row = 0;
        while row + 4 <= n {
            tile(weights, [0, 1, 2, 3].map(|i| part(row + i)), &mut sums[row * PANEL..]);
            row += 4;
        }
        for row in row..n {
            tile(weights, [part(row)], &mut sums[row * PANEL..]);
        }
    }
}

#[inline(always)]
fn tile<const M: usize>(weights: &Widened, x: [&[f32]; M], sums: &mut [f32]) {
    let mut acc = [[f32x4_splat(0.0); 2]; M];
    for k in 0..x[0].len() {
        for (acc, x) in acc.iter_mut().zip(x) {
            let a = splat(x, k);
            acc[0] = f32x4_add(acc[0], f32x4_mul(a, weights[2 * k]));
            acc[1] = f32x4_add(acc[1], f32x4_mul(a, weights[2 * k + 1]));
        }
    }
    for (i, acc) in acc.iter().enumerate() {
        for (quad, acc) in acc.iter().enumerate() {
            let at = i * PANEL + 4 * quad;
            let sum = f32x4_add(load(sums, at), *acc);
            store(sums, at, sum);
        }
    }
}

/// Eight bf16 to two vectors of f32.
#[inline(always)]
fn bf16_to_f32(v: v128) -> [v128; 2] {
    [u32x4_extend_low_u16x8(v), u32x4_extend_high_u16x8(v)].map(|w| u32x4_shl(w, 16))
}

/// Eight f16 to two vectors of f32, exactly: the bits are shifted into place and the exponent's bias is mended by a
/// multiplication, which also normalises subnormals; infinity and NaN keep their exponent.
#[inline(always)]
fn f16_to_f32(v: v128) -> [v128; 2] {
    [u32x4_extend_low_u16x8(v), u32x4_extend_high_u16x8(v)].map(|h| {
        let magnitude = u32x4_shl(v128_and(h, u32x4_splat(0x7fff)), 13);
        let sign = u32x4_shl(v128_and(h, u32x4_splat(0x8000)), 16);
        let bias = f32x4_splat(f32::from_bits((127 + 112) << 23)); // 2^112
        let finite = f32x4_mul(magnitude, bias);
        let special = u32x4_ge(magnitude, u32x4_splat(0x7c00 << 13));
        let exponent = v128_and(special, u32x4_splat(0x7f80_0000));
        v128_or(v128_or(finite, exponent), sign)
    })
}
