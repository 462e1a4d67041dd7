//! Q5_1: 32 weights in 24 bytes: an f16 scale, an f16 minimum, then fifth bits and nibbles as in Q5_0.

use super::q5_0::five_bits;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q5_1: TypeInfo = TypeInfo {
    name: "Q5_1",
    id: 7,
    block_len: 32,
    block_bytes: 24,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 5, values: Values::Linear(0), has_min: true, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = half_at(bytes, 2);
    five_bits(&bytes[4..8], &bytes[8..24], &mut block.codes);
}
