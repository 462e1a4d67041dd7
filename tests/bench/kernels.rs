//! What `kernels.mjs` times: the products of one matrix, through the backend that the package uses, and what the machine
//! can do at most.
#![cfg(target_arch = "wasm32")]

use core::arch::wasm32::*;
use pagelm::kernels::simd128::Simd;
use pagelm::kernels::{Backend, BufferId, Head, KvType, MatrixId, PassKey, Step};
use pagelm::quant::{Form, TYPES, TensorType};
use wasm_bindgen::prelude::*;

fn thrown(why: impl std::fmt::Display) -> JsError {
    JsError::new(&why.to_string())
}

/// The names of all tensor types.
#[wasm_bindgen]
pub fn types() -> Vec<String> {
    TYPES.iter().map(|t| t.name.to_owned()).collect()
}

/// Copies of one matrix W (rows, cols) and `n` rows of activations.
#[wasm_bindgen]
pub struct Products {
    backend: Simd,
    matrices: Vec<MatrixId>,
    n: usize,
    x: BufferId,
    out: BufferId,
    next: usize,
}

#[wasm_bindgen]
impl Products {
    /// As many copies as hold `bytes`, one at least.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, rows: usize, cols: usize, n: usize, bytes: f64) -> Result<Products, JsError> {
        let ty = TensorType::from_name(name).ok_or_else(|| thrown(format!("{name} is no tensor type")))?;
        let mut backend = Simd::new();
        let x = backend.create_buffer("x", n, cols).map_err(thrown)?;
        let out = backend.create_buffer("out", n, rows).map_err(thrown)?;
        let row = weights(ty, cols);
        let mut matrices = Vec::new();
        while matrices.is_empty() || (backend.bytes() as f64) < bytes {
            let matrix = backend.create_matrix("w", ty, rows, cols).map_err(thrown)?;
            for first in (0..rows).step_by(Simd::PANEL_ROWS) {
                let panel = row.repeat(Simd::PANEL_ROWS.min(rows - first));
                backend.write_rows(matrix, first, &panel).map_err(thrown)?;
            }
            matrices.push(matrix);
        }
        // activations that are not zero: a row of the matrix
        let tokens = vec![0; n];
        let single = TensorType::from_name("F32").ok_or_else(|| thrown("F32 is no tensor type"))?;
        let table = backend.create_matrix("x", single, 1, cols).map_err(thrown)?;
        let values: Vec<u8> = (0..cols).flat_map(|i| ((i * 7 % 13) as f32 - 6.0).to_le_bytes()).collect();
        backend.write_rows(table, 0, &values).map_err(thrown)?;
        backend.create_cache(n, &[], KvType::F32).map_err(thrown)?;
        let key = PassKey { rows: n, head: Head::None };
        backend.pass(Step { tokens: &tokens, position: 0 }, key, &mut |b| b.embed(n, table, x)).map_err(thrown)?;
        Ok(Products { backend, matrices, n, x, out, next: 0 })
    }

    /// Packed bytes of one copy's weight, in bits.
    pub fn bits(&self, rows: usize, cols: usize) -> f64 {
        let other = (self.n * (rows + cols) + cols) as f64 * 4.0;
        (self.backend.bytes() as f64 - other) * 8.0 / (self.matrices.len() * rows * cols) as f64
    }

    /// Multiplies `times` times, with one copy after the other.
    pub fn run(&mut self, times: usize) -> Result<(), JsError> {
        for _ in 0..times {
            self.backend.matmul(self.n, self.matrices[self.next], self.x, self.out).map_err(thrown)?;
            self.next = (self.next + 1) % self.matrices.len();
        }
        Ok(())
    }
}

/// One row: arbitrary codes; scales that are ordinary numbers, because subnormal ones would cost time of their own.
fn weights(ty: TensorType, cols: usize) -> Vec<u8> {
    let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
    match ty.form {
        Form::F32 => (0..cols).flat_map(|i| (f32::from(noise(i)) / 256.0).to_le_bytes()).collect(),
        // from 0.25 to 1
        Form::F16 => (0..cols).flat_map(|i| (0x3400 + u16::from(noise(i))).to_le_bytes()).collect(),
        Form::Bf16 => (0..cols).flat_map(|i| (0x3e80 + u16::from(noise(i) & 127)).to_le_bytes()).collect(),
        // every byte from 0x28 to 0x37: halves made of two such bytes, or of four bits each, are ordinary
        Form::Codes(_) => (0..cols / ty.block_len * ty.block_bytes).map(|i| 0x28 + noise(i) % 16).collect(),
    }
}

/// Memory that is read from one end to the other.
#[wasm_bindgen]
pub struct Stream(Vec<u64>);

#[wasm_bindgen]
impl Stream {
    /// So many bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: usize) -> Stream {
        Stream((0..bytes as u64 / 8).collect())
    }

    /// Reads all of it; the result only keeps the compiler from leaving that out.
    pub fn read(&self) -> u32 {
        let mut acc = [u32x4_splat(0); 4];
        for words in self.0.as_chunks::<8>().0 {
            for (acc, pair) in acc.iter_mut().zip(words.as_chunks::<2>().0) {
                *acc = v128_xor(*acc, u64x2(pair[0], pair[1]));
            }
        }
        u32x4_extract_lane::<0>(v128_xor(v128_xor(acc[0], acc[1]), v128_xor(acc[2], acc[3])))
    }
}
