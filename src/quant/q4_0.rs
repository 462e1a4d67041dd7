//! Q4_0: 32 weights in 18 bytes: an f16 scale, then 16 bytes with weight i in the low and i + 16 in the high nibble.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q4_0: TypeInfo = TypeInfo {
    name: "Q4_0",
    id: 2,
    block_len: 32,
    block_bytes: 18,
    trailer_bytes: 0,
    form: Form::Codes(Codes { bits: 4, values: Values::Linear(8), has_min: false, group: 32, scales: Scales::Half }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = 0.0;
    low_then_high(&bytes[2..18], &mut block.codes);
}

/// Twice as many codes as `bytes`: all low nibbles, then all high ones.
pub(super) fn low_then_high(bytes: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(bytes.len());
    for (b, (low, high)) in bytes.iter().zip(low.iter_mut().zip(high)) {
        *low = b & 15;
        *high = b >> 4;
    }
}
