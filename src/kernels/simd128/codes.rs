//! Matrices of integer codes: packing, and the integer dot products.
//!
//! A panel is 8 rows; for each 32 columns it holds, in the order in which they are read: 8 scales (f32), 8 minima (f32,
//! if the type has them), then the codes. A code vector has eight 16-bit lanes: lane 2r + c is row r, column 2j + c.
//! Four 4-bit codes share a lane: a vector holds columns 8v .. 8v + 8, with columns 8v + 2j and 8v + 2j + 1 in bits
//! 4j .. 4j + 4. Two 8-bit vectors share a line: the low half is columns 4v, 4v + 1, the high half 4v + 2, 4v + 3.

use super::activation::Quantized;
use super::lanes::{Line, line, load, splat_pair, store};
use super::{BLOCK, PANEL, panels};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::zeroed;
use crate::quant::{Block, Codes, Form, TensorType};
use core::arch::wasm32::*;

/// Lines of 8 f32.
const SCALE_LINES: usize = 2;
/// Code vectors of a block: 16 column pairs for each of two row quads.
const VECTORS: usize = 2 * BLOCK / 2;

/// A packed matrix (rows, cols).
#[derive(Debug)]
pub struct Matrix {
    ty: TensorType,
    codes: Codes,
    rows: usize,
    cols: usize,
    lines: Vec<Line>,
}

/// Codes of one block of a panel, unpacked: vector 2j + q is columns 2j, 2j + 1 of row quad q.
type Unpacked = [v128; VECTORS];

impl Matrix {
    pub(super) fn new(ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let Form::Codes(codes) = ty.form else { return Err(unfit(ty, cols)) };
        if !matches!(codes.bits, 4 | 8) || codes.group != BLOCK || !cols.is_multiple_of(BLOCK) {
            return Err(unfit(ty, cols));
        }
        let mut matrix = Self { ty, codes, rows, cols, lines: Vec::new() };
        matrix.lines = zeroed(rows.div_ceil(PANEL) as u64 * matrix.panel_lines() as u64, "weights")?;
        Ok(matrix)
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lines.len() * size_of::<Line>()) as u64
    }

    fn min_lines(&self) -> usize {
        if self.codes.has_min { SCALE_LINES } else { 0 }
    }

    /// Lines of one block of a panel.
    fn block_lines(&self) -> usize {
        SCALE_LINES + self.min_lines() + PANEL * BLOCK * self.codes.bits as usize / 128
    }

    fn panel_lines(&self) -> usize {
        self.cols / BLOCK * self.block_lines()
    }

    pub(super) fn write_rows(&mut self, first_row: usize, bytes: &[u8]) -> Result<()> {
        let row_bytes = self.cols / self.ty.block_len * self.ty.block_bytes;
        let range = panels(first_row, bytes.len() / row_bytes, self.rows)?;
        let (panel_lines, block_lines, min_lines) = (self.panel_lines(), self.block_lines(), self.min_lines());
        let to = &mut self.lines[range.start * panel_lines..range.end * panel_lines];
        let mut block = Block::default();
        for (i, row) in bytes.chunks_exact(row_bytes).enumerate() {
            let panel = &mut to[i / PANEL * panel_lines..][..panel_lines];
            let groups = self.ty.block_len / BLOCK;
            for (b, bytes) in row.chunks_exact(self.ty.block_bytes).enumerate() {
                (self.ty.unpack)(bytes, &mut block);
                for g in 0..groups {
                    let lines = &mut panel[(b * groups + g) * block_lines..][..block_lines];
                    let codes = &block.codes[g * BLOCK..(g + 1) * BLOCK];
                    put_f32(&mut lines[..SCALE_LINES], i % PANEL, block.scales[g]);
                    if min_lines > 0 {
                        put_f32(&mut lines[SCALE_LINES..], i % PANEL, block.mins[g]);
                    }
                    let lines = &mut lines[SCALE_LINES + min_lines..];
                    match self.codes.bits {
                        4 => put_4bit(lines, i % PANEL, codes),
                        _ => put_8bit(lines, i % PANEL, codes),
                    }
                }
            }
        }
        Ok(())
    }

    /// out (cols) = row `r`, dequantised.
    pub(super) fn row(&self, r: usize, out: &mut [f32]) {
        let panel = &self.lines[r / PANEL * self.panel_lines()..][..self.panel_lines()];
        let lane = r % PANEL;
        for (lines, out) in panel.chunks_exact(self.block_lines()).zip(out.chunks_exact_mut(BLOCK)) {
            let scale = get_f32(lines, lane);
            let min = if self.codes.has_min { get_f32(&lines[SCALE_LINES..], lane) } else { 0.0 };
            let codes = &lines[SCALE_LINES + self.min_lines()..];
            for (k, out) in out.iter_mut().enumerate() {
                let code = match self.codes.bits {
                    4 => i32::from(get_4bit(codes, lane, k)) - self.codes.zero,
                    _ => i32::from(get_8bit(codes, lane, k)),
                };
                *out = if self.codes.has_min { scale * code as f32 + min } else { scale * code as f32 };
            }
        }
    }

    /// out (n, rows) = x (n, cols) @ Wᵀ.
    pub(super) fn matmul(&self, n: usize, x: &Quantized, out: &mut [f32]) {
        match (self.codes.bits, self.codes.has_min) {
            (4, true) => self.run::<Nibbles<true>>(n, x, out),
            (4, false) => self.run::<Nibbles<false>>(n, x, out),
            (_, _) => self.run::<Bytes>(n, x, out),
        }
    }

    fn run<F: Format>(&self, n: usize, x: &Quantized, out: &mut [f32]) {
        let mut sums = vec![0.0; n * PANEL]; // (n, 8): this panel's results
        let zero = self.codes.zero as f32;
        for (p, panel) in self.lines.chunks_exact(self.panel_lines()).enumerate() {
            if n == 1 {
                gemv::<F>(panel, x, zero, &mut sums);
            } else {
                sums.fill(0.0);
                gemm::<F>(panel, n, x, zero, &mut sums);
            }
            let rows = PANEL.min(self.rows - p * PANEL);
            for (sums, out) in sums.chunks_exact(PANEL).zip(out.chunks_exact_mut(self.rows)) {
                out[p * PANEL..p * PANEL + rows].copy_from_slice(&sums[..rows]);
            }
        }
    }
}

/// How the codes of a block lie in its lines.
trait Format {
    /// Lines of codes in a block.
    const CODE_LINES: usize;
    /// Whether there are minima. Without, a zero point is taken off unless `SIGNED`.
    const MIN: bool;
    /// Whether the codes have their zero point taken off already.
    const SIGNED: bool;
    /// Code vectors of one line.
    type Split: IntoIterator<Item = v128>;
    /// Unpacks a line: consecutive column pairs.
    fn split(v: v128) -> Self::Split;
}

/// Lines before the codes.
const fn header<F: Format>() -> usize {
    if F::MIN { 2 * SCALE_LINES } else { SCALE_LINES }
}

/// 4-bit codes, unsigned.
struct Nibbles<const MIN: bool>;

impl<const MIN: bool> Format for Nibbles<MIN> {
    const CODE_LINES: usize = PANEL * BLOCK / 32;
    const MIN: bool = MIN;
    const SIGNED: bool = false;
    type Split = [v128; 4];

    #[inline(always)]
    fn split(v: v128) -> [v128; 4] {
        let mask = i16x8_splat(15);
        [v128_and(v, mask), v128_and(u16x8_shr(v, 4), mask), v128_and(u16x8_shr(v, 8), mask), u16x8_shr(v, 12)]
    }
}

/// 8-bit codes, stored signed.
struct Bytes;

impl Format for Bytes {
    const CODE_LINES: usize = PANEL * BLOCK / 16;
    const MIN: bool = false;
    const SIGNED: bool = true;
    type Split = [v128; 2];

    #[inline(always)]
    fn split(v: v128) -> [v128; 2] {
        [i16x8_extend_low_i8x16(v), i16x8_extend_high_i8x16(v)]
    }
}

/// sums (8) = one row of activations against one panel: reads the packed codes once, in order.
// never inlined: one loop nest a function is what the browser's compiler allocates registers for best
#[inline(never)]
fn gemv<F: Format>(panel: &[Line], x: &Quantized, zero: f32, sums: &mut [f32]) {
    let mut acc = [f32x4_splat(0.0); 2];
    let blocks = panel.chunks_exact(header::<F>() + F::CODE_LINES).zip(x.q.as_chunks().0);
    for ((lines, q), (scale, sum)) in blocks.zip(x.scales.iter().zip(&x.sums)) {
        let dots = dot::<F>(&lines[header::<F>()..], q);
        for (quad, (acc, dot)) in acc.iter_mut().zip(dots).enumerate() {
            *acc = scaled::<F>(*acc, dot, lines, quad, *scale, *sum, zero);
        }
    }
    store(sums, 0, acc[0]);
    store(sums, 4, acc[1]);
}

/// sums (n, 8) += `n` rows of activations against one panel: each block is unpacked once and stays in the first cache.
#[inline(never)]
fn gemm<F: Format>(panel: &[Line], n: usize, x: &Quantized, zero: f32, sums: &mut [f32]) {
    let (groups, _) = x.q.as_chunks::<BLOCK>();
    let blocks = groups.len() / n;
    for (b, lines) in panel.chunks_exact(header::<F>() + F::CODE_LINES).enumerate() {
        let codes = unpack::<F>(&lines[header::<F>()..]);
        let at = |row: usize| row * blocks + b;
        let mut row = 0;
        while row + 4 <= n {
            let dots = tile(&codes, [0, 1, 2, 3].map(|i| &groups[at(row + i)]));
            for (i, dots) in dots.iter().enumerate() {
                accumulate::<F>(sums, row + i, *dots, lines, x.scales[at(row + i)], x.sums[at(row + i)], zero);
            }
            row += 4;
        }
        for row in row..n {
            let [dots] = tile(&codes, [&groups[at(row)]]);
            accumulate::<F>(sums, row, dots, lines, x.scales[at(row)], x.sums[at(row)], zero);
        }
    }
}

fn unfit(ty: TensorType, cols: usize) -> Error {
    Error::new(ErrorKind::Internal, format!("no SIMD128 packing for {} with {cols} columns", ty.name))
}

/// acc + scale of the weights * scale of the activations * (dot - zero * Σq), or + min * Σq.
#[inline(always)]
fn scaled<F: Format>(acc: v128, dot: v128, lines: &[Line], quad: usize, scale: f32, sum: f32, zero: f32) -> v128 {
    let product = f32x4_mul(f32x4_convert_i32x4(dot), f32x4_splat(scale));
    let w = line(&lines[quad]);
    if F::MIN {
        let acc = f32x4_add(acc, f32x4_mul(product, w));
        f32x4_add(acc, f32x4_mul(line(&lines[SCALE_LINES + quad]), f32x4_splat(sum)))
    } else if F::SIGNED {
        f32x4_add(acc, f32x4_mul(product, w))
    } else {
        f32x4_add(acc, f32x4_mul(f32x4_sub(product, f32x4_splat(zero * sum)), w))
    }
}

#[inline(always)]
fn accumulate<F: Format>(
    sums: &mut [f32],
    row: usize,
    dots: [v128; 2],
    lines: &[Line],
    scale: f32,
    sum: f32,
    zero: f32,
) {
    for (quad, dot) in dots.into_iter().enumerate() {
        let at = row * PANEL + 4 * quad;
        let acc = scaled::<F>(load(sums, at), dot, lines, quad, scale, sum, zero);
        store(sums, at, acc);
    }
}

/// The codes of a block, in column order for each row quad: vector 2j + quad is columns 2j, 2j + 1.
#[inline(always)]
fn unpack<F: Format>(lines: &[Line]) -> Unpacked {
    let mut out = [i16x8_splat(0); VECTORS];
    let mut to = out.as_chunks_mut::<2>().0.iter_mut();
    for pair in lines[..F::CODE_LINES].as_chunks::<2>().0 {
        for (a, b) in F::split(line(&pair[0])).into_iter().zip(F::split(line(&pair[1]))) {
            if let Some(to) = to.next() {
                *to = [a, b];
            }
        }
    }
    out
}

/// Integer dots of one block of activations with 8 rows.
#[inline(always)]
fn dot<F: Format>(lines: &[Line], q: &[i16; BLOCK]) -> [v128; 2] {
    let mut acc = [i32x4_splat(0); 2];
    let mut column = 0;
    for pair in lines[..F::CODE_LINES].as_chunks::<2>().0 {
        for (w0, w1) in F::split(line(&pair[0])).into_iter().zip(F::split(line(&pair[1]))) {
            let a = splat_pair(q, column);
            acc[0] = i32x4_add(acc[0], i32x4_dot_i16x8(a, w0));
            acc[1] = i32x4_add(acc[1], i32x4_dot_i16x8(a, w1));
            column += 2;
        }
    }
    acc
}

/// Integer dots of one block of M rows of activations with 8 rows of weights.
#[inline(always)]
fn tile<const M: usize>(codes: &Unpacked, q: [&[i16; BLOCK]; M]) -> [[v128; 2]; M] {
    let mut acc = [[i32x4_splat(0); 2]; M];
    for (j, w) in codes.as_chunks::<2>().0.iter().enumerate() {
        for (acc, q) in acc.iter_mut().zip(q) {
            let a = splat_pair(q, 2 * j);
            acc[0] = i32x4_add(acc[0], i32x4_dot_i16x8(a, w[0]));
            acc[1] = i32x4_add(acc[1], i32x4_dot_i16x8(a, w[1]));
        }
    }
    acc
}

fn put_f32(lines: &mut [Line], lane: usize, value: f32) {
    lines[lane / 4].0[lane % 4 * 4..][..4].copy_from_slice(&value.to_le_bytes());
}

fn get_f32(lines: &[Line], lane: usize) -> f32 {
    let b = &lines[lane / 4].0[lane % 4 * 4..][..4];
    f32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

/// Where 4-bit column k of a lane is: line, byte, shift.
fn place_4bit(lane: usize, k: usize) -> (usize, usize, u32) {
    let (pair, odd) = (k / 2, k % 2);
    let bit = 4 * (pair % 4);
    (pair / 4 * 2 + lane / 4, (lane % 4 * 2 + odd) * 2 + bit / 8, bit as u32 % 8)
}

fn put_4bit(lines: &mut [Line], lane: usize, codes: &[u8]) {
    for (k, code) in codes.iter().enumerate() {
        let (line, byte, shift) = place_4bit(lane, k);
        let b = &mut lines[line].0[byte];
        *b = *b & !(15 << shift) | (code & 15) << shift;
    }
}

fn get_4bit(lines: &[Line], lane: usize, k: usize) -> u8 {
    let (line, byte, shift) = place_4bit(lane, k);
    lines[line].0[byte] >> shift & 15
}

/// Where 8-bit column k of a lane is: line, byte.
fn place_8bit(lane: usize, k: usize) -> (usize, usize) {
    (k / 4 * 2 + lane / 4, k % 4 / 2 * 8 + lane % 4 * 2 + k % 2)
}

fn put_8bit(lines: &mut [Line], lane: usize, codes: &[u8]) {
    for (k, code) in codes.iter().enumerate() {
        let (line, byte) = place_8bit(lane, k);
        lines[line].0[byte] = code ^ 0x80; // the zero point of the 8-bit form is 128: stored signed
    }
}

fn get_8bit(lines: &[Line], lane: usize, k: usize) -> i8 {
    let (line, byte) = place_8bit(lane, k);
    lines[line].0[byte] as i8
}
