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

/// A number in a block that must be ordinary: random bits there could be anything, NaN included.
#[derive(Clone, Copy)]
enum Field {
    /// An IEEE half at this byte.
    Half(usize),
    /// A power of two, 127 for 1; 64 stands for zero, as the smallest are subnormal, which a GPU may not keep.
    E8m0(usize),
    /// A number of 4 exponent and 3 mantissa bits.
    Ue4m3(usize),
    /// A half in the upper four bits of each of the last four 16-bit words.
    Iq1m,
}

/// Where a type's blocks hold their scales.
fn fields(name: &str) -> &'static [Field] {
    use Field::{E8m0, Half, Iq1m, Ue4m3};
    match name {
        "Q4_0" | "Q5_0" | "Q8_0" | "IQ4_NL" | "IQ4_XS" | "IQ3_XXS" | "IQ3_S" | "IQ2_XXS" | "IQ2_XS" | "IQ2_S"
        | "IQ1_S" | "Q1_0" | "Q2_0" => &[Half(0)],
        "Q4_1" | "Q5_1" | "Q4_K" | "Q5_K" => &[Half(0), Half(2)],
        "Q2_K" => &[Half(80), Half(82)],
        "Q3_K" => &[Half(108)],
        "Q6_K" => &[Half(208)],
        "TQ1_0" => &[Half(52)],
        "TQ2_0" => &[Half(64)],
        "MXFP4" => &[E8m0(0)],
        "NVFP4" => &[Ue4m3(0), Ue4m3(1), Ue4m3(2), Ue4m3(3)],
        "IQ1_M" => &[Iq1m],
        "I2_S" => &[], // behind the tensor
        other => panic!("add where the blocks of {other} hold scales"),
    }
}

impl Field {
    /// Sets the field to about `value`, at most 300 in size.
    fn put(self, block: &mut [u8], value: f32) {
        let half = f16::from_f32(value).to_le_bytes();
        match self {
            Self::Half(at) => block[at..at + 2].copy_from_slice(&half),
            Self::E8m0(at) => block[at] = if value == 0.0 { 64 } else { (127.0 + value.abs().log2()) as u8 },
            // 2^(e - 7) with no mantissa, for e of 1 to 14
            Self::Ue4m3(at) => {
                block[at] = if value == 0.0 { 64 } else { (7.0 + value.abs().log2()).clamp(1.0, 14.0) as u8 * 8 + 3 }
            }
            Self::Iq1m => {
                let bits = u16::from_le_bytes(half);
                let end = block.len();
                for i in 0..4 {
                    let upper = &mut block[end - 8 + 2 * i + 1];
                    *upper = *upper & 15 | (bits >> (4 * i) << 4) as u8;
                }
            }
        }
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
                for field in fields(w.ty.name) {
                    field.put(&mut block, if i % 16 == 7 { 0.0 } else { rng.unit() * magnitude });
                }
                bytes.extend(block);
            }
            bytes
        }
    }
}

/// Rows of blocks whose bytes are all `byte`, but for scales of about `scale`.
pub fn uniform(w: Weight, byte: u8, scale: f32) -> Vec<u8> {
    let mut block = vec![byte; w.ty.block_bytes];
    fields(w.ty.name).iter().for_each(|field| field.put(&mut block, scale));
    block.repeat(w.rows * w.cols / w.ty.block_len)
}

/// Swaps the halves of the first code byte of the second half of the matrix in which they differ.
pub fn swap_nibble(bytes: &mut [u8], w: Weight) {
    let block_bytes = w.ty.block_bytes;
    let first = fields(w.ty.name).len() * 2; // the types that this is used with begin with their halves
    let codes = (0..bytes.len()).filter(|i| i % block_bytes >= first);
    let differ = |b: u8| b >> 4 != b & 15;
    let at = codes.skip(bytes.len() / 2).find(|&i| differ(bytes[i])).expect("random bytes have two nibbles");
    bytes[at] = bytes[at].rotate_left(4);
}
