//! Tensor types: how a block of bytes stands for numbers.
//!
//! Every quantised type decodes to one canonical form. With `g = i / group`:
//!
//! ```text
//! w[i] = scale[g] * (code[i] - zero) + min[g]
//! ```
//!
//! where `code` is an unsigned integer of `bits` bits. A type is one `unpack` function and one row of [`TYPES`];
//! dequantisation, the CPU packer and the GPU packer are written once over the canonical form. The layouts are those
//! of ggml (`ggml-common.h`), little-endian.

mod dense;
mod q4_0;
mod q4_1;
mod q8_0;

pub use dense::{bf16_to_f32, f16_to_f32};

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
    /// Bits of a code: 4 or 8.
    pub bits: u32,
    /// What is subtracted from a code.
    pub zero: i32,
    /// Whether groups have a minimum; it is 0 otherwise.
    pub has_min: bool,
    /// Weights that share a scale and a minimum.
    pub group: usize,
}

/// One block in canonical form. Only the first `block_len` codes and `block_len / group` scales and mins count.
#[derive(Clone, Debug)]
pub struct Block {
    /// Unsigned codes.
    pub codes: [u8; MAX_BLOCK],
    /// The scale of each group. Exactly representable in f16 for the types whose scales are f16.
    pub scales: [f32; MAX_BLOCK / MIN_GROUP],
    /// The minimum of each group.
    pub mins: [f32; MAX_BLOCK / MIN_GROUP],
}

impl Default for Block {
    fn default() -> Self {
        Self { codes: [0; MAX_BLOCK], scales: [0.0; MAX_BLOCK / MIN_GROUP], mins: [0.0; MAX_BLOCK / MIN_GROUP] }
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
pub static TYPES: &[TypeInfo] = &[dense::F32, dense::F16, dense::BF16, q4_0::Q4_0, q4_1::Q4_1, q8_0::Q8_0];

/// Names of ggml types that are known but have no row yet, for a better message.
const KNOWN: &[(u32, &str)] = &[
    (6, "Q5_0"),
    (7, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
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

    /// The type with ggml's name `name`, if it is supported.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|t| t.name == name).map(TensorType)
    }

    /// Bytes of `len` weights, or `None` if `len` is not whole blocks or the product overflows.
    pub fn bytes_of(self, len: u64) -> Option<u64> {
        let block = self.block_len as u64;
        if !len.is_multiple_of(block) { None } else { (len / block).checked_mul(self.block_bytes as u64) }
    }
}

/// Dequantises `bytes` (whole blocks) into `out`: the specification of every kernel.
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
                    let code = (i32::from(block.codes[i]) - codes.zero) as f32;
                    *w = if codes.has_min { block.scales[g] * code + block.mins[g] } else { block.scales[g] * code };
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
