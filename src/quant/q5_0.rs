//! Q5_0: 32 weights in 22 bytes: an f16 scale, 32 fifth bits (bit i is weight i's), then nibbles as in Q4_0.

use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q5_0: TypeInfo = TypeInfo {
    name: "Q5_0",
    id: 6,
    block_len: 32,
    block_bytes: 22,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 5, values: Values::Linear(16), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = 0.0;
    five_bits(&bytes[2..6], &bytes[6..22], &mut block.codes);
}

/// Codes of 32 weights from their fifth bits (4 bytes) and their nibbles (16 bytes).
pub(super) fn five_bits(fifths: &[u8], nibbles: &[u8], codes: &mut [u8]) {
    low_then_high(nibbles, codes);
    for (i, code) in codes[..32].iter_mut().enumerate() {
        *code |= (fifths[i / 8] >> (i % 8) & 1) << 4;
    }
}
