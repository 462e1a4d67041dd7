//! Q8_0: 32 weights in 34 bytes: an f16 scale, then 32 signed bytes, which are stored here with 128 added.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q8_0: TypeInfo = TypeInfo {
    name: "Q8_0",
    id: 8,
    block_len: 32,
    block_bytes: 34,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 8, values: Values::Linear(128), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = 0.0;
    for (code, b) in block.codes.iter_mut().zip(&bytes[2..34]) {
        *code = b ^ 0x80;
    }
}
