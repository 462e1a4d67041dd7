//! NVFP4: 64 weights in 36 bytes: 4 group scales (ue4m3: floats of 4 bits of exponent and 3 of mantissa, without a sign), then
//! for each group of 16 weights 8 bytes of e2m1 floats, low nibbles first. A scale for the whole tensor, which some
//! files have, is a tensor of its own and not part of this.

use super::mxfp4::DOUBLED_E2M1;
use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values};

pub(super) const NVFP4: TypeInfo = TypeInfo {
    name: "NVFP4",
    id: 40,
    block_len: 64,
    block_bytes: 36,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Table(&DOUBLED_E2M1),
        has_min: false,
        group: 16,
        scales: Scales::Half,
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let groups = block.codes.chunks_exact_mut(16).zip(bytes[4..36].chunks_exact(8));
    for (g, (codes, nibbles)) in groups.enumerate() {
        block.scales[g] = half_of_ue4m3(bytes[g]);
        block.mins[g] = 0.0;
        low_then_high(nibbles, codes);
    }
}

/// Half the value of a ue4m3 float, at most 240. As in ggml the top bit is ignored, and 127, the format's NaN, is zero.
fn half_of_ue4m3(b: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(b >> 3 & 15), b & 7);
    let significand = match (b, exponent) {
        (0x7f, _) => 0,
        (_, 0) => mantissa,
        _ => 8 + mantissa,
    };
    // 7 is the bias, 3 the bits of the mantissa, 1 the halving; 127 is the bias of a single
    f32::from(significand) * f32::from_bits((exponent.max(1) + 127 - 7 - 3 - 1) << 23)
}
