//! Matrices of f32, f16 and bf16: packing, and products in f32.
//!
//! A panel is 8 rows; for each column it holds the 8 weights of that column, in the file's precision.

use super::lanes::{Line, line, load, madd, splat, store};
use super::{BLOCK, MAX_ROWS, PANEL, Sums, fill, panels, put_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::pool::Pool;
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
    /// No half so far is infinite or NaN.
    is_finite: bool,
}

/// Panels that one row of activations meets together: their sums hide each other's latency.
const TOGETHER: usize = 4;

impl Matrix {
    pub(super) fn new(ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let mut matrix = Self { ty, rows, cols, lines: Vec::new(), is_finite: true };
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

    pub(super) fn write_rows(&mut self, first_row: usize, bytes: &[u8], pool: &Pool) -> Result<()> {
        let (size, panel_lines) = (self.ty.block_bytes, self.panel_lines());
        let row_bytes = self.cols * size;
        if !bytes.len().is_multiple_of(row_bytes) {
            return Err(Error::new(ErrorKind::Internal, format!("{} bytes are not whole rows", bytes.len())));
        }
        let range = panels(first_row, bytes.len() / row_bytes, self.rows)?;
        if let Form::F16 = self.ty.form {
            self.is_finite &= bytes.as_chunks::<2>().0.iter().all(|half| half[1] & 0x7c != 0x7c);
        }
        let to = &mut self.lines[range.start * panel_lines..range.end * panel_lines];
        fill(to, panel_lines, (bytes, row_bytes), pool, &|panel, rows| match size {
            2 => pack::<2>(panel, rows, row_bytes),
            _ => pack::<4>(panel, rows, row_bytes),
        });
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
        match (self.ty.form, self.is_finite) {
            (Form::F16, true) => self.run::<Half<true>>(n, x, panels, out),
            (Form::F16, false) => self.run::<Half<false>>(n, x, panels, out),
            (Form::Bf16, _) => self.run::<Bf16>(n, x, panels, out),
            (Form::F32 | Form::Codes(_), _) => self.run::<Single>(n, x, panels, out),
        }
    }

    fn run<F: Format>(&self, n: usize, x: &[f32], panels: Range<usize>, out: &mut Output<'_>) {
        let mut p = panels.start;
        if n == 1 {
            while p + TOGETHER <= panels.end {
                self.alone::<F, TOGETHER>(x, p, out);
                p += TOGETHER;
            }
            (p..panels.end).for_each(|p| self.alone::<F, 1>(x, p, out));
            return;
        }
        let mut sums: Sums = [0.0; MAX_ROWS * PANEL];
        let sums = &mut sums[..n * PANEL];
        for p in panels {
            sums.fill(0.0);
            for (b, lines) in self.panel(p).chunks(BLOCK * F::LINES).enumerate() {
                let mut weights = [[f32x4_splat(0.0); 2]; BLOCK];
                weights.iter_mut().zip(lines.chunks_exact(F::LINES)).for_each(|(w, lines)| *w = F::widen(lines));
                self.block(&weights[..lines.len() / F::LINES], b * BLOCK, x, sums);
            }
            put_rows(sums, p, self.rows, out);
        }
    }

    fn panel(&self, p: usize) -> &[Line] {
        &self.lines[p * self.panel_lines()..(p + 1) * self.panel_lines()]
    }

    /// The results of one row of activations against P panels, whose sums depend on nothing of each other.
    #[inline(never)]
    fn alone<F: Format, const P: usize>(&self, x: &[f32], first: usize, out: &mut Output<'_>) {
        let panels: [&[Line]; P] = std::array::from_fn(|p| self.panel(first + p));
        let mut total = [[f32x4_splat(0.0); 2]; P];
        for (b, x) in x.chunks(BLOCK).enumerate() {
            let lines = panels.map(|p| &p[b * BLOCK * F::LINES..][..x.len() * F::LINES]);
            let mut acc = [[f32x4_splat(0.0); 2]; P];
            for k in 0..x.len() {
                let a = splat(x, k);
                for (acc, lines) in acc.iter_mut().zip(&lines) {
                    let w = F::widen(&lines[k * F::LINES..][..F::LINES]);
                    acc[0] = madd(a, w[0], acc[0]);
                    acc[1] = madd(a, w[1], acc[1]);
                }
            }
            for (total, acc) in total.iter_mut().zip(acc) {
                total[0] = f32x4_add(total[0], acc[0]);
                total[1] = f32x4_add(total[1], acc[1]);
            }
        }
        for (p, total) in total.iter().enumerate() {
            let mut sums = [0.0; PANEL];
            store(&mut sums, 0, total[0]);
            store(&mut sums, 4, total[1]);
            put_rows(&sums, first + p, self.rows, out);
        }
    }

    /// sums (n, 8) += x (n, columns from `first`) @ weightsᵀ.
    #[inline(always)]
    fn block(&self, weights: &[[v128; 2]], first: usize, x: &[f32], sums: &mut [f32]) {
        let part = |row: usize| &x[row * self.cols + first..][..weights.len()];
        let (tiles, rest) = sums.as_chunks_mut::<{ 4 * PANEL }>();
        for (i, sums) in tiles.iter_mut().enumerate() {
            tile(weights, [0, 1, 2, 3].map(|m| part(4 * i + m)), sums);
        }
        for (i, sums) in rest.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            tile(weights, [part(4 * tiles.len() + i)], sums);
        }
    }
}

/// Packs up to eight rows of weights of SIZE bytes as a panel.
fn pack<const SIZE: usize>(panel: &mut [Line], bytes: &[u8], row_bytes: usize) {
    for (lane, row) in bytes.chunks_exact(row_bytes).enumerate() {
        let (line, byte) = (lane * SIZE / 16, lane * SIZE % 16);
        for (lines, weight) in panel.chunks_exact_mut(SIZE / 2).zip(row.as_chunks::<SIZE>().0) {
            lines[line].0[byte..byte + SIZE].copy_from_slice(weight);
        }
    }
}

/// sums (M, 8) += x (M, columns) @ weightsᵀ.
#[inline(never)]
fn tile<const M: usize>(weights: &[[v128; 2]], x: [&[f32]; M], sums: &mut [f32]) {
    let mut acc = [[f32x4_splat(0.0); 2]; M];
    let x = x.map(|x| &x[..weights.len()]);
    for (k, w) in weights.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(x) {
            let a = splat(x, k);
            acc[0] = madd(a, w[0], acc[0]);
            acc[1] = madd(a, w[1], acc[1]);
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

/// How the 8 weights of a column are stored.
trait Format {
    /// Lines of a column.
    const LINES: usize;
    fn widen(lines: &[Line]) -> [v128; 2];
}

struct Single;

impl Format for Single {
    const LINES: usize = 2;

    #[inline(always)]
    fn widen(lines: &[Line]) -> [v128; 2] {
        [line(&lines[0]), line(&lines[1])]
    }
}

struct Bf16;

impl Format for Bf16 {
    const LINES: usize = 1;

    #[inline(always)]
    fn widen(lines: &[Line]) -> [v128; 2] {
        bf16_to_f32(line(&lines[0]))
    }
}

/// IEEE halves; `FINITE` if there are neither infinities nor NaN, which cost as much again as the rest.
struct Half<const FINITE: bool>;

impl<const FINITE: bool> Format for Half<FINITE> {
    const LINES: usize = 1;

    #[inline(always)]
    fn widen(lines: &[Line]) -> [v128; 2] {
        if FINITE { finite_to_f32(line(&lines[0])) } else { f16_to_f32(line(&lines[0])) }
    }
}

/// Eight finite f16 to two vectors of f32, exactly: as [`f16_to_f32`].
#[inline(always)]
pub(super) fn finite_to_f32(v: v128) -> [v128; 2] {
    const BIAS: f32 = f32::from_bits((127 + 112) << 23); // 2^112
    let widen = |w: v128| {
        // the sign was extended over the bits between it and the exponent's place
        f32x4_mul(v128_and(i32x4_shl(w, 13), u32x4_splat(0x8fff_e000)), f32x4_splat(BIAS))
    };
    [widen(i32x4_extend_low_i16x8(v)), widen(i32x4_extend_high_i16x8(v))]
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
