//! Scalar kernels: the specification of every other backend.
//!
//! One operation a file, no tricks, never optimised. Sums are carried in f64 and rounded once, so that a difference
//! to this backend is the other backend's.

mod add;
mod argmax;
mod attention;
mod embed;
mod gated;
mod matmul;
mod mix_experts;
mod norm_heads;
mod rms_norm;
mod rope;
mod route;
mod scale;
mod short_conv;
mod soft_cap;

use super::cpu::pool::{self, Pool};
use super::cpu::{Cpu, Floats, Kernels, Output, zeroed};
use super::footprint::Size;
use super::{Activation, Attention, KvType, RopeKind};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::TensorType;
use std::ops::Range;

/// The scalar backend.
pub type Reference = Cpu<Scalar>;

/// The scalar kernels.
#[derive(Debug)]
pub struct Scalar;

/// A matrix as GGUF stores it: (rows, cols), row by row.
#[derive(Debug)]
pub struct Matrix {
    ty: TensorType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: Vec<u8>,
}

/// Keys and values of a layer, rounded as their type does it; all types take the memory of f32.
#[derive(Debug)]
pub struct Cache {
    kv: KvType,
    head_dim: usize,
    floats: Floats,
}

impl Matrix {
    fn row(&self, row: usize, out: &mut [f32]) {
        let bytes = &self.bytes[row * self.row_bytes..(row + 1) * self.row_bytes];
        let decoded = crate::quant::dequantize(self.ty, bytes, out);
        debug_assert!(decoded.is_ok());
    }
}

impl Kernels for Scalar {
    type Matrix = Matrix;
    type Input = ();
    type Cache = Cache;
    const PANEL_ROWS: usize = 1;
    const MAX_ROWS: usize = 64;
    const KV_TYPES: &'static [KvType] = &[KvType::F32, KvType::F16, KvType::I16, KvType::Q8_0];

    fn create_matrix(ty: TensorType, rows: usize, cols: usize) -> Result<Matrix> {
        let row_bytes = ty.bytes_of(cols as u64).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("{cols} columns are not whole {} blocks", ty.name))
        })? as usize;
        Ok(Matrix { ty, rows, cols, row_bytes, bytes: zeroed(rows as u64 * row_bytes as u64, "weights")? })
    }

    fn write_rows(matrix: &mut Matrix, first_row: usize, bytes: &[u8], _pool: &Pool) -> Result<()> {
        let start = first_row * matrix.row_bytes;
        let to = matrix.bytes.get_mut(start..start + bytes.len());
        to.ok_or_else(|| Error::new(ErrorKind::Internal, "rows outside the matrix"))?.copy_from_slice(bytes);
        Ok(())
    }

    fn shape(matrix: &Matrix) -> (usize, usize) {
        (matrix.rows, matrix.cols)
    }

    fn bytes(matrix: &Matrix) -> u64 {
        matrix.bytes.len() as u64
    }

    fn embed(table: &Matrix, token: usize, out: &mut [f32]) {
        embed::embed(table, token, out);
    }

    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        rms_norm::rms_norm(x, weight, eps, out);
    }

    fn forget(_input: &mut ()) {}

    fn prepare(_w: &Matrix, _n: usize, _x: &[f32], _input: &mut (), _pool: &Pool) {}

    fn matmul(w: &Matrix, n: usize, x: &[f32], _input: &(), panels: Range<usize>, out: &mut Output<'_>) {
        matmul::matmul(w, n, x, panels, out);
    }

    fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]) {
        rope::rope(head, kind, angles);
    }

    fn create_cache(context: usize, heads: usize, head_dim: usize, kv: KvType) -> Result<Cache> {
        Ok(Cache { kv, head_dim, floats: Floats::reserve(context, heads * head_dim)? })
    }

    fn cache_size(context: usize, heads: usize, head_dim: usize, _kv: KvType) -> Size {
        Floats::size(context, heads * head_dim)
    }

    fn cache_bytes(cache: &Cache) -> u64 {
        cache.floats.bytes()
    }

    fn positions(cache: &Cache) -> usize {
        cache.floats.positions()
    }

    fn store_kv(cache: &mut Cache, position: usize, k: &[f32], v: &[f32]) {
        let rounded = |x: &[f32]| {
            let mut x = x.to_vec();
            x.chunks_mut(cache.head_dim).for_each(|head| cache.kv.round(head));
            x
        };
        let (k, v) = (rounded(k), rounded(v));
        cache.floats.store(position, &k, &v);
    }

    fn attention(q: &[f32], cache: &Cache, position: usize, a: Attention, pool: &Pool, out: &mut [f32]) {
        let n = q.len() / (a.heads * a.head_dim);
        pool::groups(pool, n, position, a, out, &|groups, out| {
            attention::attention(q, &cache.floats, position, a, groups, out);
        });
    }

    fn norm_heads(x: &mut [f32], weight: &[f32], eps: f32) {
        norm_heads::norm_heads(x, weight, eps);
    }

    fn gated(gate: &mut [f32], up: &[f32], activation: Activation) {
        gated::gated(gate, up, activation);
    }

    fn add(x: &mut [f32], y: &[f32]) {
        add::add(x, y);
    }

    fn scale(x: &mut [f32], factor: f32) {
        scale::scale(x, factor);
    }

    fn soft_cap(x: &mut [f32], cap: f32) {
        soft_cap::soft_cap(x, cap);
    }

    fn short_conv(rows: &[f32], taps: &[f32], out: &mut [f32]) {
        short_conv::short_conv(rows, taps, out);
    }

    fn route(logits: &[f32], routes: &mut [f32]) {
        route::route(logits, routes);
    }

    fn mix_experts(x: &[f32], weights: &[f32], out: &mut [f32]) {
        mix_experts::mix_experts(x, weights, out);
    }

    fn argmax(x: &[f32]) -> usize {
        argmax::argmax(x)
    }
}
