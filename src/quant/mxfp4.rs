//! MXFP4: 32 weights in 17 bytes: a power of two (e8m0: an exponent with a bias of 127), then nibbles as in Q4_0, each a
//! float of 4 bits (e2m1). Microscaling Formats (MX) of the Open Compute Project, version 1.0.

use super::dense::bf16_to_f32;
use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values};

/// Twice what an e2m1 float stands for; scales are halved for it.
pub(super) static DOUBLED_E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub(super) const MXFP4: TypeInfo = TypeInfo {
    name: "MXFP4",
    id: 39,
    block_len: 32,
    block_bytes: 17,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Table(&DOUBLED_E2M1),
        has_min: false,
        group: 32,
        scales: Scales::Bf16,
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_of_e8m0(bytes[0]);
    block.mins[0] = 0.0;
    low_then_high(&bytes[1..17], &mut block.codes);
}

/// `2^(e - 128)`. The lowest two are subnormal; like ggml, 255 is a number and not NaN.
fn half_of_e8m0(e: u8) -> f32 {
    bf16_to_f32(if e < 2 { 0x20 << e } else { u16::from(e - 1) << 7 })
}
