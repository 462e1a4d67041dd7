//! Q5_K: 256 weights in 176 bytes: scales and minima as in Q4_K, 32 bytes of fifth bits, then nibbles as in Q4_K.

use super::q4_k::{nibbles, scales_and_mins};
use super::{Block, Codes, Form, Scales, TypeInfo, Values};

pub(super) const Q5_K: TypeInfo = TypeInfo {
    name: "Q5_K",
    id: 13,
    block_len: 256,
    block_bytes: 176,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 5,
        values: Values::Linear(0),
        has_min: true,
        group: 32,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    scales_and_mins(bytes, block);
    nibbles(&bytes[48..176], &mut block.codes);
    // byte l holds the fifth bits of weights l, l + 32, ..., l + 224
    for (run, codes) in block.codes.chunks_exact_mut(32).enumerate() {
        for (code, b) in codes.iter_mut().zip(&bytes[16..48]) {
            *code |= (b >> run & 1) << 4;
        }
    }
}
