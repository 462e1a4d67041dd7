//! Q1_0: 128 weights of -1 and 1 in 18 bytes: an f16 scale, then a bit a weight, lowest first. Here 4 groups with the same
//! scale and codes of 2 bits, of which 0 and 2 occur.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q1_0: TypeInfo = TypeInfo {
    name: "Q1_0",
    id: 41,
    block_len: 128,
    block_bytes: 18,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 2, values: Values::Linear(1), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[..4].fill(half_at(bytes, 0));
    block.mins[..4].fill(0.0);
    for (codes, b) in block.codes.chunks_exact_mut(8).zip(&bytes[2..18]) {
        for (i, code) in codes.iter_mut().enumerate() {
            *code = (b >> i & 1) << 1;
        }
    }
}
