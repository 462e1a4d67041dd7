//! Q6_K: 256 weights in 210 bytes: 128 bytes of lower nibbles, 64 bytes of upper bits as in Q2_K, 16 signed bytes as group
//! scales, and an f16 scale.

use super::q2_k::two_bits;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q6_K: TypeInfo = TypeInfo {
    name: "Q6_K",
    id: 14,
    block_len: 256,
    block_bytes: 210,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 6,
        values: Values::Linear(32),
        has_min: false,
        group: 16,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    two_bits(&bytes[128..192], &mut block.codes);
    // 64 bytes hold 64 weights in their low and the next 64 in their high nibbles
    for (run, codes) in block.codes.chunks_exact_mut(64).enumerate() {
        for (code, b) in codes.iter_mut().zip(&bytes[run / 2 * 64..]) {
            *code = *code << 4 | b >> (run % 2 * 4) & 15;
        }
    }
    for (scale, b) in block.group_scales.iter_mut().zip(&bytes[192..208]) {
        *scale = b.cast_signed();
    }
    block.d = half_at(bytes, 208);
    block.without_mins();
    block.set_super(0);
}
