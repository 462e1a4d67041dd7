//! Tensor types: how a block of bytes stands for numbers.
//!
//! Every quantised type decodes to one canonical form. With `g = i / group`:
//!
//! ```text
//! w[i] = scale[g] * value(code[i]) + min[g]
//! ```
//!
//! where `code` is an unsigned integer of `bits` bits and `value` takes a zero point off or looks a small integer up in a
//! table. A type is one `unpack` function and one row of [`TYPES`];
//! dequantisation, the CPU packer and the GPU packer are written once over the canonical form. The layouts are those
//! of ggml (`ggml-common.h`), little-endian.

mod dense;
mod grids;
mod i2_s;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
mod iq4_nl;
mod iq4_xs;
mod mxfp4;
mod nvfp4;
mod q1_0;
mod q2_0;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod tq1_0;
mod tq2_0;

use dense::half_at;
pub use dense::{bf16_to_f32, f16_to_f32};
pub use i2_s::tensor_scale;

use crate::error::{Error, ErrorKind, Result};

/// The most weights that one block of any type holds.
pub const MAX_BLOCK: usize = 256;
/// The fewest weights that share a scale, in any type.
pub const MIN_GROUP: usize = 16;

/// How a type's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// Integer codes with a scale a group.
    Codes(Codes),
}

/// The parameters of the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codes {
    /// Bits of a code: 2, 3, 4, 5, 6 or 8.
    pub bits: u32,
    /// What a code stands for.
    pub values: Values,
    /// Whether groups have a minimum; it is 0 otherwise.
    pub has_min: bool,
    /// Weights that share a scale and a minimum: 16 or 32. Types whose blocks are larger repeat theirs.
    pub group: usize,
    /// What the scales and minima are made of.
    pub scales: Scales,
}

/// The integer that a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// The code less this zero point.
    Linear(u8),
    /// The table's entry; codes of `bits` bits index within it.
    Table(&'static [i8; 16]),
}

impl Values {
    /// The integer that `code` stands for.
    pub fn of(self, code: u8) -> i32 {
        match self {
            Self::Linear(zero) => i32::from(code) - i32::from(zero),
            Self::Table(table) => i32::from(table[usize::from(code) % table.len()]),
        }
    }
}

/// How a type's scales are stored without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scales {
    /// Each group's scale and minimum is an IEEE half.
    Half,
    /// Each group's scale is a bfloat16: a power of two that a half need not hold.
    Bf16,
    /// Products of a half for 256 weights and a byte for each group, see [`Block::set_super`].
    Super {
        /// `scale = 2^-shift * d * group_scale`
        shift: u32,
    },
}

/// One block in canonical form. Only the first `block_len` codes and `block_len / group` scales and mins count.
#[derive(Clone, Debug)]
pub struct Block {
    /// Unsigned codes.
    pub codes: [u8; MAX_BLOCK],
    /// The scale of each group.
    pub scales: [f32; MAX_BLOCK / MIN_GROUP],
    /// The minimum of each group.
    pub mins: [f32; MAX_BLOCK / MIN_GROUP],
    /// The scale and the minimum that all groups are multiples of; like the two below for [`Scales::Super`] only.
    pub d: f32,
    /// Positive where minima are taken off, as ggml has it.
    pub d_min: f32,
    /// Multiples of `d`, one a group.
    pub group_scales: [i8; MAX_BLOCK / MIN_GROUP],
    /// Multiples of `-d_min`, one a group.
    pub group_mins: [u8; MAX_BLOCK / MIN_GROUP],
}

impl Default for Block {
    fn default() -> Self {
        const GROUPS: usize = MAX_BLOCK / MIN_GROUP;
        Self {
            codes: [0; MAX_BLOCK],
            scales: [0.0; GROUPS],
            mins: [0.0; GROUPS],
            d: 0.0,
            d_min: 0.0,
            group_scales: [0; GROUPS],
            group_mins: [0; GROUPS],
        }
    }
}

impl Block {
    /// Sets the scales and minima of a [`Scales::Super`] type from `d`, `d_min`, `group_scales` and `group_mins`, which
    /// must have been filled: `scale = 2^-shift * (d * group_scale)`, `min = -(d_min * group_min)`. All products but the
    /// subnormal ones are exact: a half has 11 bits, a byte 8.
    fn set_super(&mut self, shift: u32) {
        let factor = 1.0 / (1u32 << shift) as f32;
        for (scale, n) in self.scales.iter_mut().zip(self.group_scales) {
            *scale = self.d * f32::from(n) * factor;
        }
        for (min, n) in self.mins.iter_mut().zip(self.group_mins) {
            *min = -(self.d_min * f32::from(n));
        }
    }

    /// Sets one scale for all groups of a [`Scales::Super`] type.
    fn set_uniform(&mut self, d: f32) {
        self.d = d;
        self.group_scales = [1; MAX_BLOCK / MIN_GROUP];
        self.without_mins();
        self.set_super(0);
    }

    /// Clears what a block of a type with minima may have left; to be called before [`Block::set_super`].
    fn without_mins(&mut self) {
        self.d_min = 0.0;
        self.group_mins = [0; MAX_BLOCK / MIN_GROUP];
    }
}

/// One row of the type table.
#[derive(Debug)]
pub struct TypeInfo {
    /// ggml's name, e.g. `"Q4_1"`.
    pub name: &'static str,
    /// ggml's number, as in a GGUF tensor directory.
    pub id: u32,
    /// Weights a block.
    pub block_len: usize,
    /// Bytes a block.
    pub block_bytes: usize,
    /// Bytes behind the last block of a tensor. They hold its scale ([`tensor_scale`]), which `unpack` and [`dequantize`] leave
    /// out; 0 for all types but I2_S.
    pub trailer_bytes: u64,
    /// How the numbers are stored.
    pub form: Form,
    /// Decodes one block (`block_bytes` bytes) of a [`Form::Codes`] type.
    pub unpack: fn(&[u8], &mut Block),
}

/// A tensor type: a row of [`TYPES`], compared by its number.
#[derive(Clone, Copy)]
pub struct TensorType(&'static TypeInfo);

impl std::ops::Deref for TensorType {
    type Target = TypeInfo;
    fn deref(&self) -> &TypeInfo {
        self.0
    }
}

impl PartialEq for TensorType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TensorType {}

impl std::fmt::Debug for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every type that is supported.
pub static TYPES: &[TypeInfo] = &[
    dense::F32,
    dense::F16,
    dense::BF16,
    q4_0::Q4_0,
    q4_1::Q4_1,
    q5_0::Q5_0,
    q5_1::Q5_1,
    q8_0::Q8_0,
    q2_k::Q2_K,
    q3_k::Q3_K,
    q4_k::Q4_K,
    q5_k::Q5_K,
    q6_k::Q6_K,
    iq1_s::IQ1_S,
    iq1_m::IQ1_M,
    iq2_xxs::IQ2_XXS,
    iq2_xs::IQ2_XS,
    iq2_s::IQ2_S,
    iq3_xxs::IQ3_XXS,
    iq3_s::IQ3_S,
    iq4_nl::IQ4_NL,
    iq4_xs::IQ4_XS,
    tq1_0::TQ1_0,
    tq2_0::TQ2_0,
    mxfp4::MXFP4,
    nvfp4::NVFP4,
    q1_0::Q1_0,
    q2_0::Q2_0,
    i2_s::I2_S,
];

/// Names of ggml's numbers without a row, for a better message: types that were removed from it, that occur only while it
/// computes, or that hold integers and doubles.
const KNOWN: &[(u32, &str)] = &[
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (15, "Q8_K"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl TensorType {
    /// The type with ggml's number `id`.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedType`] with the number, the name where it is known, and the list of supported types.
    pub fn from_id(id: u32) -> Result<Self> {
        TYPES.iter().find(|t| t.id == id).map(TensorType).ok_or_else(|| {
            let name = KNOWN.iter().find(|k| k.0 == id).map_or("unknown", |k| k.1);
            let supported: Vec<_> = TYPES.iter().map(|t| t.name).collect();
            Error::new(
                ErrorKind::UnsupportedType,
                format!("tensor type {id} ({name}) is not supported; supported are {}", supported.join(", ")),
            )
        })
    }

    /// Bytes of a whole tensor of `len` weights: its blocks and what is behind them. `None` as in [`TensorType::bytes_of`].
    pub fn tensor_bytes(self, len: u64) -> Option<u64> {
        self.bytes_of(len)?.checked_add(self.trailer_bytes)
    }

    /// The type with ggml's name `name`, if it is supported.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|t| t.name == name).map(TensorType)
    }

    /// Bytes of the blocks of `len` weights, without a trailer, or `None` if `len` is not whole blocks or the product overflows.
    pub fn bytes_of(self, len: u64) -> Option<u64> {
        let block = self.block_len as u64;
        if !len.is_multiple_of(block) { None } else { (len / block).checked_mul(self.block_bytes as u64) }
    }
}

/// Dequantises `bytes` (whole blocks, no trailer) into `out`: the specification of every kernel.
///
/// # Errors
/// [`ErrorKind::Internal`] if the lengths do not match.
pub fn dequantize(ty: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    if ty.bytes_of(out.len() as u64) != Some(bytes.len() as u64) {
        let (name, have, want) = (ty.name, bytes.len(), out.len());
        return Err(Error::new(ErrorKind::Internal, format!("{have} bytes of {name} are not {want} weights")));
    }
    match ty.form {
        Form::F32 => decode(bytes, out, f32::from_le_bytes),
        Form::F16 => decode(bytes, out, |b| f16_to_f32(u16::from_le_bytes(b))),
        Form::Bf16 => decode(bytes, out, |b| bf16_to_f32(u16::from_le_bytes(b))),
        Form::Codes(codes) => {
            let mut block = Block::default();
            for (bytes, out) in bytes.chunks_exact(ty.block_bytes).zip(out.chunks_exact_mut(ty.block_len)) {
                (ty.unpack)(bytes, &mut block);
                for (i, w) in out.iter_mut().enumerate() {
                    let g = i / codes.group;
                    let value = codes.values.of(block.codes[i]) as f32;
                    *w = if codes.has_min { block.scales[g] * value + block.mins[g] } else { block.scales[g] * value };
                }
            }
        }
    }
    Ok(())
}

fn decode<const N: usize>(bytes: &[u8], out: &mut [f32], f: impl Fn([u8; N]) -> f32) {
    for (b, w) in bytes.as_chunks::<N>().0.iter().zip(out) {
        *w = f(*b);
    }
}

#[cfg(test)]
mod tests;
