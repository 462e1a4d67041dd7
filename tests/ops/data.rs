//! Seeded inputs: the same on every machine and backend.

use super::{Inputs, Weight};
use half::{bf16, f16};
use pagelm::quant::Form;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough for inputs.
pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In -1 .. 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// `rows` rows of values up to `magnitude`; the third row is zero and so is one element in sixteen.
pub fn values(seed: u64, rows: usize, width: usize, magnitude: f32) -> Vec<f32> {
    let mut rng = Rng(seed);
    let value = |i: usize| {
        let v = rng.unit() * magnitude;
        if i / width == 2 || i % 16 == 7 { 0.0 } else { v }
    };
    (0..rows * width).map(value).collect()
}

/// `rows` rows that are not ordinary; of those with one odd element, it is in another place in each row.
pub fn extreme(seed: u64, rows: usize, width: usize, inputs: Inputs) -> Vec<f32> {
    let mut rng = Rng(seed);
    let mut all: Vec<f32> = (0..rows * width).map(|_| rng.unit()).collect();
    let odd = |row: usize| row * width + (row * 37 + 5) % width;
    match inputs {
        Inputs::Largest => all.iter_mut().for_each(|v| *v = 300.0f32.copysign(*v)),
        Inputs::Outlier => (0..rows).for_each(|row| all[odd(row)] = 1e4),
        Inputs::Uneven => all.iter_mut().enumerate().for_each(|(i, v)| *v *= if i / 32 % 2 == 0 { 1e-3 } else { 1e3 }),
        Inputs::Zeros => all.fill(0.0),
        Inputs::Tiny => all.iter_mut().for_each(|v| *v *= 1e-35),
        Inputs::Huge => all.iter_mut().for_each(|v| *v *= 1e30),
        Inputs::Nan => (0..rows).step_by(2).for_each(|row| all[odd(row)] = f32::NAN),
        Inputs::Infinite => (0..rows).step_by(2).for_each(|row| all[odd(row)] = f32::NEG_INFINITY),
    }
    all
}

/// Where a type's blocks hold halves; every other byte is codes.
fn halves(name: &str) -> &'static [usize] {
    match name {
        "Q4_0" | "Q8_0" => &[0],
        "Q4_1" => &[0, 2],
        other => panic!("add where the blocks of {other} hold halves"),
    }
}

/// Rows of a weight matrix as GGUF stores them: random codes, scales up to `magnitude`; one block in sixteen is zero.
pub fn weights(seed: u64, w: Weight, magnitude: f32) -> Vec<u8> {
    let mut rng = Rng(seed);
    let count = w.rows * w.cols;
    match w.ty.form {
        Form::F32 => values(seed, w.rows, w.cols, magnitude).iter().flat_map(|v| v.to_le_bytes()).collect(),
        Form::F16 => (0..count).flat_map(|_| f16::from_f32(rng.unit() * magnitude).to_le_bytes()).collect(),
        Form::Bf16 => (0..count).flat_map(|_| bf16::from_f32(rng.unit() * magnitude).to_le_bytes()).collect(),
        Form::Codes(_) => {
            let mut bytes: Vec<u8> = Vec::new();
            for i in 0..count / w.ty.block_len {
                let mut block: Vec<u8> = (0..w.ty.block_bytes).map(|_| rng.bits() as u8).collect();
                for &at in halves(w.ty.name) {
                    let scale = if i % 16 == 7 { 0.0 } else { rng.unit() * magnitude };
                    block[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
                }
                bytes.extend(block);
            }
            bytes
        }
    }
}

/// Swaps the halves of the first code byte of the second half of the matrix in which they differ.
pub fn swap_nibble(bytes: &mut [u8], w: Weight) {
    let block_bytes = w.ty.block_bytes;
    let first = halves(w.ty.name).len() * 2;
    let codes = (0..bytes.len()).filter(|i| i % block_bytes >= first);
    let differ = |b: u8| b >> 4 != b & 15;
    let at = codes.skip(bytes.len() / 2).find(|&i| differ(bytes[i])).expect("random bytes have two nibbles");
    bytes[at] = bytes[at].rotate_left(4);
}
