//! Q2_0: 64 weights of -1, 0, 1 and 2 in 18 bytes: an f16 scale, then 2 bits a weight, lowest first. Here 2 groups with
//! the same scale.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q2_0: TypeInfo = TypeInfo {
    name: "Q2_0",
    id: 42,
    block_len: 64,
    block_bytes: 18,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 2, values: Values::Linear(1), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[..2].fill(half_at(bytes, 0));
    block.mins[..2].fill(0.0);
    for (codes, b) in block.codes.chunks_exact_mut(4).zip(&bytes[2..18]) {
        for (i, code) in codes.iter_mut().enumerate() {
            *code = b >> (2 * i) & 3;
        }
    }
}
