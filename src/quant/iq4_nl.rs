//! IQ4_NL: 32 weights in 18 bytes: an f16 scale, then nibbles as in Q4_0, which look up values that lie closer together
//! around zero.

use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

/// The 16 values of IQ4_NL and IQ4_XS.
pub(super) static LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

pub(super) const IQ4_NL: TypeInfo = TypeInfo {
    name: "IQ4_NL",
    id: 20,
    block_len: 32,
    block_bytes: 18,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Table(&LEVELS),
        has_min: false,
        group: 32,
        scales: Scales::Half,
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_at(bytes, 0);
    block.mins[0] = 0.0;
    low_then_high(&bytes[2..18], &mut block.codes);
}
