//! The scalar twin of the products: the same integers in 64 bits and the same roundings in the same order, from the blocks of
//! the file. What the kernels compute has to equal it bit for bit.

use super::accumulation::{Accumulation, accumulation};
use super::activation::WIDE;
use super::rule::{self, Rule};
use super::{BLOCK, Matrix};
use crate::error::Result;
use crate::kernels::cpu::Output;
use crate::kernels::cpu::pool::Pool;
use crate::quant::{Block, Codes, Form, Scales, TensorType};
use core::arch::wasm32::{f32x4_extract_lane, f32x4_relaxed_madd, f32x4_splat};

/// The products of W (rows, cols), given as GGUF stores it, with x (n, cols): by the kernels, and by their twin.
///
/// # Errors
/// As [`crate::kernels::Backend::create_matrix`] and `write_rows`.
pub fn products(ty: TensorType, rows: usize, bytes: &[u8], n: usize, x: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
    let cols = x.len() / n;
    let mut matrix = Matrix::new(ty, rows, cols)?;
    matrix.write_rows(0, bytes, &Pool::default())?;
    let mut input = super::Quantized::default();
    matrix.prepare(n, x, &mut input, &Pool::default());
    let mut out = vec![f32::NAN; n * rows];
    matrix.matmul(n, &input, 0..rows.div_ceil(super::PANEL), &mut Output::new(&mut out, rows));
    let row_bytes = bytes.len() / rows;
    let expected = x.chunks_exact(cols).flat_map(|x| bytes.chunks_exact(row_bytes).map(|row| product(ty, row, x)));
    Ok((out, expected.collect()))
}

/// One row of weights times one of activations.
fn product(ty: TensorType, row: &[u8], x: &[f32]) -> f32 {
    let Form::Codes(codes) = ty.form else { return f32::NAN };
    let mut acc = 0.0;
    let mut block = Block::default();
    for (bytes, x) in row.chunks_exact(ty.block_bytes).zip(x.chunks_exact(ty.block_len)) {
        (ty.unpack)(bytes, &mut block);
        acc = match codes.scales {
            Scales::Half | Scales::Bf16 => own(codes, &block, x, acc),
            Scales::Super { .. } => multiples(codes, &block, x, acc),
        };
    }
    acc
}

fn own(codes: Codes, block: &Block, x: &[f32], mut acc: f32) -> f32 {
    let zero = zero(codes);
    for (b, x) in x.chunks_exact(BLOCK).enumerate() {
        let (q, x_scale) = quantize(x);
        for (g, q) in q.chunks_exact(codes.group).enumerate() {
            let first = b * BLOCK + g * codes.group;
            let (scale, min) = (block.scales[first / codes.group], block.mins[first / codes.group]);
            let shift = scale * -(zero as f32);
            let shift = if codes.has_min { min + shift } else { shift };
            acc = madd(dot(codes, zero, &block.codes[first..], q) as f32, scale * x_scale, acc);
            acc = madd(shift, x_scale * q.iter().sum::<i64>() as f32, acc);
        }
    }
    acc
}

fn multiples(codes: Codes, block: &Block, x: &[f32], acc: f32) -> f32 {
    let zero = zero(codes);
    let unit = Rule::of(codes, false).unit;
    let (q, x_scale) = quantize(&x[..WIDE]);
    let (mut dots, mut least) = (0, 0);
    for (g, q) in q.chunks_exact(codes.group).enumerate() {
        let (scale, sum) = (i64::from(block.group_scales[g]), q.iter().sum::<i64>());
        dots += scale * dot(codes, zero, &block.codes[g * codes.group..], q);
        if codes.has_min {
            least += i64::from(block.group_mins[g]) * sum;
        } else {
            dots -= zero * scale * sum;
        }
    }
    let acc = madd(dots as f32, block.d * unit * x_scale, acc);
    if codes.has_min { madd(least as f32, -block.d_min * unit * x_scale, acc) } else { acc }
}

fn dot(codes: Codes, zero: i64, w: &[u8], q: &[i64]) -> i64 {
    w.iter().zip(q).map(|(&code, q)| (i64::from(codes.values.of(code)) + zero) * q).sum()
}

/// What operands have in addition to values.
fn zero(codes: Codes) -> i64 {
    i64::from(Rule::of(codes, accumulation() == Accumulation::LongSigned).zero)
}

fn quantize(x: &[f32]) -> (Vec<i64>, f32) {
    let most = x.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    if most < 1e-30 {
        return (vec![0; x.len()], 0.0);
    }
    let inverse = 127.0 / most;
    (x.iter().map(|v| (v * inverse).round_ties_even() as i64).collect(), most / 127.0)
}

/// a * b + c, rounded as this engine's relaxed multiply-add does.
fn madd(a: f32, b: f32, c: f32) -> f32 {
    let [a, b, c] = [a, b, c].map(|v| f32x4_splat(core::hint::black_box(v)));
    f32x4_extract_lane::<0>(f32x4_relaxed_madd(a, b, c))
}

/// How a type's products are computed: bits of an operand, whether it is given in halves, and how many products of four columns
/// are added in 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The largest operand.
    pub largest: i32,
    /// Two operands of four bits.
    pub is_split: bool,
    /// Products that 16 bits hold.
    pub depth: usize,
}

/// The integer kernel of a type; `None` for floats, whose products are floats.
pub fn kernel(ty: TensorType) -> Option<Kernel> {
    let Form::Codes(codes) = ty.form else { return None };
    super::layout::Layout::of(codes)?;
    let largest = rule::largest(codes);
    Some(Kernel { largest, is_split: largest > 127, depth: rule::depth(codes) })
}
