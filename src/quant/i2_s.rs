//! I2_S: 128 weights of -1, 0 and 1 in 32 bytes, and one scale for the whole tensor behind its last block.
//!
//! A type of Microsoft's bitnet.cpp that ggml does not have. This is the layout of its converters and of its x86 kernels
//! (`quantize_to_i2_s`, `quantize_i2_s`): byte `l` of a block holds weights `l`, `l + 32`, `l + 64` and `l + 96`, the first in its
//! top two bits; 0, 1, 2 stand for -1, 0, 1, and 3, which nothing writes, for 0 as in its dequantisation. The scale is an
//! f32 in the first 4 of 32 bytes after `weights / 4` bytes. Its ARM quantiser writes blocks of 64 weights under the same number,
//! which nothing in a file tells apart: such files are not supported.
//!
//! Scales are 1 here: whoever loads a tensor multiplies what its matrix gives by [`tensor_scale`].

use super::{Block, Codes, Form, Scales, TypeInfo, Values};
use crate::error::{Error, ErrorKind, Result};

pub(super) const I2_S: TypeInfo = TypeInfo {
    name: "I2_S",
    id: 36,
    block_len: 128,
    block_bytes: 32,
    trailer_bytes: 32,
    form: Form::Codes(Codes { bits: 2, values: Values::Linear(1), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[..4].fill(1.0);
    block.mins[..4].fill(0.0);
    for (run, codes) in block.codes[..128].chunks_exact_mut(32).enumerate() {
        for (code, b) in codes.iter_mut().zip(bytes) {
            *code = [0, 1, 2, 1][usize::from(b >> (6 - 2 * run) & 3)];
        }
    }
}

/// The scale of a tensor from the bytes behind its blocks, [`TypeInfo::trailer_bytes`] of them.
///
/// # Errors
/// [`ErrorKind::InvalidModel`] if it is not finite, [`ErrorKind::Internal`] if there are fewer than 4 bytes.
pub fn tensor_scale(trailer: &[u8]) -> Result<f32> {
    let scale = trailer.first_chunk().copied().map(f32::from_le_bytes).ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("{} bytes behind a tensor's blocks hold no scale of 4", trailer.len()))
    })?;
    if scale.is_finite() {
        return Ok(scale);
    }
    Err(Error::new(
        ErrorKind::InvalidModel,
        format!("the scale behind a tensor of type I2_S is {scale}; it must be finite"),
    ))
}
