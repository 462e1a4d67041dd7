//! Q4_1: 32 weights in 20 bytes: an f16 scale, an f16 minimum, then nibbles as in Q4_0.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, f16_to_f32};

pub(super) const Q4_1: TypeInfo = TypeInfo {
    name: "Q4_1",
    id: 3,
    block_len: 32,
    block_bytes: 20,
    form: Form::Codes(Codes { bits: 4, values: Values::Linear(0), has_min: true, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = f16_to_f32(u16::from_le_bytes([bytes[0], bytes[1]]));
    block.mins[0] = f16_to_f32(u16::from_le_bytes([bytes[2], bytes[3]]));
    for (i, b) in bytes[4..20].iter().enumerate() {
        block.codes[i] = b & 15;
        block.codes[i + 16] = b >> 4;
    }
}
