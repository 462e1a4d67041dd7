//! Kernels for WebAssembly SIMD128: one thread, no relaxed SIMD, nothing that a page must be isolated for.
//!
//! Quantised weights are packed as unsigned or signed integer codes, interleaved so that lane r of an accumulator is
//! output row r and nothing is ever summed across lanes. Activations are quantised to 16 bits, 32 at a time, each
//! group with its own scale: `i32x4.dot_i16x8_s` takes 16-bit operands anyway, so 15 bits of precision cost no more
//! than 7, and results stay within a few 1e-5 of f32 arithmetic. The products of a group are exact integers; one row
//! alone and many rows together therefore give bit-equal results.
#![allow(unsafe_code)] // vector loads and stores; every use states its bounds

#[cfg(not(target_feature = "relaxed-simd"))]
mod activation;
mod attention;
#[cfg(not(target_feature = "relaxed-simd"))]
mod codes;
mod dense;
mod exp;
mod gated;
mod lanes;
mod norm_heads;
#[cfg(target_feature = "relaxed-simd")]
pub mod relaxed;
mod rms_norm;
mod rope;
mod sixteen;

use super::cpu::pool::Pool;
use super::cpu::{Cpu, Kernels, Output};
use super::footprint::Size;
use super::{Activation, Attention, KvType, RopeKind, reference::Scalar};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::{Form, TensorType};
#[cfg(not(target_feature = "relaxed-simd"))]
use activation::Quantized;
use attention::{Cache, Eight, Singles, Sixteen};
use lanes::Line;
#[cfg(target_feature = "relaxed-simd")]
use relaxed::{self as codes, Quantized};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The SIMD128 backend.
pub type Simd = Cpu<Simd128>;

/// The SIMD128 kernels.
#[derive(Debug)]
pub struct Simd128;

/// Rows that are packed together: two vectors of four lanes.
pub(super) const PANEL: usize = 8;
/// Columns that are processed together: the group of the quantised types.
pub(super) const BLOCK: usize = 32;
/// Rows of activations that go through a panel together.
pub(super) const MAX_ROWS: usize = 64;

/// The results of one panel: (n, 8).
pub(super) type Sums = [f32; MAX_ROWS * PANEL];

/// All of a range in pairs whose halves are far from each other, so that memory fetches both; of an odd number one is alone, twice.
fn pairs(range: Range<usize>) -> impl Iterator<Item = [usize; 2]> {
    let half = range.len().div_ceil(2);
    (range.start..range.start + half)
        .map(move |first| [first, if first + half < range.end { first + half } else { first }])
}

/// A packed matrix.
#[derive(Debug)]
pub enum Matrix {
    /// Integer codes with scales.
    Codes(codes::Matrix),
    /// f32, f16 or bf16.
    Dense(dense::Matrix),
}

impl Kernels for Simd128 {
    type Matrix = Matrix;
    type Input = Quantized;
    type Cache = Cache;
    const PANEL_ROWS: usize = PANEL;
    const MAX_ROWS: usize = MAX_ROWS;
    const KV_TYPES: &'static [KvType] = &[KvType::I16, KvType::F32, KvType::Q8_0];

    fn create_matrix(ty: TensorType, rows: usize, cols: usize) -> Result<Matrix> {
        Ok(match ty.form {
            Form::Codes(_) => Matrix::Codes(codes::Matrix::new(ty, rows, cols)?),
            Form::F32 | Form::F16 | Form::Bf16 => Matrix::Dense(dense::Matrix::new(ty, rows, cols)?),
        })
    }

    fn write_rows(matrix: &mut Matrix, first_row: usize, bytes: &[u8], pool: &Pool) -> Result<()> {
        match matrix {
            Matrix::Codes(m) => m.write_rows(first_row, bytes, pool),
            Matrix::Dense(m) => m.write_rows(first_row, bytes, pool),
        }
    }

    fn shape(matrix: &Matrix) -> (usize, usize) {
        match matrix {
            Matrix::Codes(m) => m.shape(),
            Matrix::Dense(m) => m.shape(),
        }
    }

    fn bytes(matrix: &Matrix) -> u64 {
        match matrix {
            Matrix::Codes(m) => m.bytes(),
            Matrix::Dense(m) => m.bytes(),
        }
    }

    fn embed(table: &Matrix, token: usize, out: &mut [f32]) {
        match table {
            Matrix::Codes(m) => m.row(token, out),
            Matrix::Dense(m) => m.row(token, out),
        }
    }

    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        rms_norm::rms_norm(x, weight, eps, out);
    }

    fn forget(input: &mut Quantized) {
        input.forget();
    }

    fn prepare(w: &Matrix, n: usize, x: &[f32], input: &mut Quantized, pool: &Pool) {
        if let Matrix::Codes(m) = w {
            m.prepare(n, x, input, pool);
        }
    }

    fn matmul(w: &Matrix, n: usize, x: &[f32], input: &Quantized, panels: Range<usize>, out: &mut Output<'_>) {
        match w {
            Matrix::Codes(m) => m.matmul(n, input, panels, out),
            Matrix::Dense(m) => m.matmul(n, x, panels, out),
        }
    }

    fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]) {
        rope::rope(head, kind, angles);
    }

    fn create_cache(context: usize, heads: usize, head_dim: usize, kv: KvType) -> Result<Cache> {
        Ok(match kv {
            KvType::I16 => Cache::Sixteen(Sixteen::reserve(context, heads, head_dim)?),
            KvType::Q8_0 => Cache::Eight(Eight::reserve(context, heads, head_dim)?),
            _ => Cache::Singles(Singles::reserve(context, heads, head_dim)?),
        })
    }

    fn cache_size(context: usize, heads: usize, head_dim: usize, kv: KvType) -> Size {
        match kv {
            KvType::I16 => Sixteen::size(context, heads, head_dim),
            KvType::Q8_0 => Eight::size(context, heads, head_dim),
            _ => Singles::size(context, heads, head_dim),
        }
    }

    fn cache_bytes(cache: &Cache) -> u64 {
        match cache {
            Cache::Singles(singles) => singles.bytes(),
            Cache::Sixteen(sixteen) => sixteen.bytes(),
            Cache::Eight(eight) => eight.bytes(),
        }
    }

    fn positions(cache: &Cache) -> usize {
        match cache {
            Cache::Singles(singles) => singles.positions(),
            Cache::Sixteen(sixteen) => sixteen.positions(),
            Cache::Eight(eight) => eight.positions(),
        }
    }

    fn store_kv(cache: &mut Cache, position: usize, k: &[f32], v: &[f32]) {
        match cache {
            Cache::Singles(singles) => singles.store(position, k, v),
            Cache::Sixteen(sixteen) => sixteen.store(position, k, v),
            Cache::Eight(eight) => eight.store(position, k, v),
        }
    }

    fn attention(q: &[f32], cache: &Cache, position: usize, a: Attention, pool: &Pool, out: &mut [f32]) {
        attention::attention(q, cache, position, a, pool, out);
    }

    fn norm_heads(x: &mut [f32], weight: &[f32], eps: f32) {
        norm_heads::norm_heads(x, weight, eps);
    }

    fn gated(gate: &mut [f32], up: &[f32], activation: Activation) {
        gated::gated(gate, up, activation);
    }

    fn add(x: &mut [f32], y: &[f32]) {
        Scalar::add(x, y); // the compiler vectorises it
    }

    fn scale(x: &mut [f32], factor: f32) {
        Scalar::scale(x, factor); // so it does this
    }

    fn soft_cap(x: &mut [f32], cap: f32) {
        attention::soft_cap(x, cap);
    }

    // The rest is a few multiplications an element of one row: not worth second versions.
    fn short_conv(rows: &[f32], taps: &[f32], out: &mut [f32]) {
        Scalar::short_conv(rows, taps, out);
    }

    fn route(logits: &[f32], routes: &mut [f32]) {
        Scalar::route(logits, routes);
    }

    fn mix_experts(x: &[f32], weights: &[f32], out: &mut [f32]) {
        Scalar::mix_experts(x, weights, out);
    }

    fn argmax(x: &[f32]) -> usize {
        Scalar::argmax(x)
    }
}

/// Copies a panel's results to where they belong.
#[inline(always)]
fn put_rows(sums: &[f32], panel: usize, rows: usize, out: &mut Output<'_>) {
    let columns = panel * PANEL..rows.min((panel + 1) * PANEL);
    for (row, sums) in sums.as_chunks::<PANEL>().0.iter().enumerate() {
        let to = out.part(row, columns.clone());
        match to.first_chunk_mut::<PANEL>() {
            // two vectors: a copy of a length that is not known is a call of the browser's, and took an eighth of a prefill
            Some(to) => *to = *sums,
            None => to.copy_from_slice(&sums[..to.len()]),
        }
    }
}

/// Fills panels of `panel_lines` from rows of `row_bytes`, on the threads of a pool: `pack` takes one panel and its rows, fewer
/// than [`PANEL`] only in the last one of a matrix.
fn fill(
    lines: &mut [Line],
    panel_lines: usize,
    (bytes, row_bytes): (&[u8], usize),
    pool: &Pool,
    pack: &(dyn Fn(&mut [Line], &[u8]) + Sync),
) {
    let panels = lines.chunks_exact_mut(panel_lines.max(1)).zip(bytes.chunks(PANEL * row_bytes));
    let panels: Vec<_> = panels.map(Mutex::new).collect();
    pool.spread(panels.len(), &|range| {
        for panel in &panels[range] {
            // each is taken once
            let (lines, bytes) = &mut *panel.lock().unwrap_or_else(PoisonError::into_inner);
            pack(lines, bytes);
        }
    });
}

/// Row ranges that `write_rows` was given, checked: whole panels except at the end.
fn panels(first_row: usize, rows: usize, total: usize) -> Result<std::ops::Range<usize>> {
    let end = first_row + rows;
    if first_row.is_multiple_of(PANEL) && end <= total && (end.is_multiple_of(PANEL) || end == total) {
        return Ok(first_row / PANEL..end.div_ceil(PANEL));
    }
    Err(Error::new(ErrorKind::Internal, format!("rows {first_row}..{end} of {total} are not whole panels of {PANEL}")))
}
