//! Types that store each number by itself: F32, F16, BF16.

use super::{Block, Form, TypeInfo};

fn no_codes(_: &[u8], _: &mut Block) {}

pub(super) const F32: TypeInfo =
    TypeInfo { name: "F32", id: 0, block_len: 1, block_bytes: 4, trailer_bytes: 0, form: Form::F32, unpack: no_codes };
pub(super) const F16: TypeInfo =
    TypeInfo { name: "F16", id: 1, block_len: 1, block_bytes: 2, trailer_bytes: 0, form: Form::F16, unpack: no_codes };
pub(super) const BF16: TypeInfo = TypeInfo {
    name: "BF16",
    id: 30,
    block_len: 1,
    block_bytes: 2,
    trailer_bytes: 0,
    form: Form::Bf16,
    unpack: no_codes,
};

/// The value of an IEEE half; exact, subnormals, infinities and NaN included.
pub fn f16_to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// The value of a bfloat16; exact.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The little-endian half at byte `at` of a block.
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}
