//! Q4_1: 32 weights in 20 bytes: an f16 scale, an f16 minimum, then nibbles as in Q4_0.

use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q4_1: TypeInfo = TypeInfo {
    name: "Q4_1",
    id: 3,
    block_len: 32,
    block_bytes: 20,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 4, values: Values::Linear(0), has_min: true, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = half_at(bytes, 2);
    low_then_high(&bytes[4..20], &mut block.codes);
}
