//! TQ2_0: 256 weights of -1, 0 and 1 in 66 bytes: 64 bytes of 2-bit codes in the order of Q2_K, an f16 scale. The fourth
//! code, 2, is not written by ggml but read.

use super::q2_k::two_bits;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const TQ2_0: TypeInfo = TypeInfo {
    name: "TQ2_0",
    id: 35,
    block_len: 256,
    block_bytes: 66,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 2,
        values: Values::Linear(1),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    two_bits(&bytes[..64], &mut block.codes);
    block.set_uniform(half_at(bytes, 64));
}
