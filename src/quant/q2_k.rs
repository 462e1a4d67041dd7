//! Q2_K: 256 weights in 84 bytes: 16 bytes with the multiplier of a group's scale in the low and of its minimum in the
//! high nibble, 64 bytes of 2-bit codes, an f16 scale and an f16 minimum.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q2_K: TypeInfo = TypeInfo {
    name: "Q2_K",
    id: 10,
    block_len: 256,
    block_bytes: 84,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 2,
        values: Values::Linear(0),
        has_min: true,
        group: 16,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    for (g, b) in bytes[..16].iter().enumerate() {
        block.group_scales[g] = (b & 15) as i8;
        block.group_mins[g] = b >> 4;
    }
    (block.d, block.d_min) = (half_at(bytes, 80), half_at(bytes, 82));
    block.set_super(0);
    two_bits(&bytes[16..80], &mut block.codes);
}

/// 256 codes from 64 bytes: each run of 32 bytes holds four runs of 32 weights, the first in the lowest bits.
pub(super) fn two_bits(bytes: &[u8], codes: &mut [u8]) {
    for (run, codes) in codes.chunks_exact_mut(32).enumerate() {
        for (code, b) in codes.iter_mut().zip(&bytes[run / 4 * 32..]) {
            *code = b >> (run % 4 * 2) & 3;
        }
    }
}
