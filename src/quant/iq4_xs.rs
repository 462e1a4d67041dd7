//! IQ4_XS: 256 weights in 136 bytes: an f16 scale, the upper 2 bits of 8 group scales, their lower 4, then each group's
//! nibbles as in IQ4_NL. A group's scale of 6 bits stands for -32 to 31.

use super::iq4_nl::LEVELS;
use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const IQ4_XS: TypeInfo = TypeInfo {
    name: "IQ4_XS",
    id: 23,
    block_len: 256,
    block_bytes: 136,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Table(&LEVELS),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    for (g, scale) in block.group_scales[..8].iter_mut().enumerate() {
        let high = bytes[2 + g / 4] >> (g % 4 * 2) & 3;
        let low = bytes[4 + g / 2] >> (g % 2 * 4) & 15;
        *scale = (low | high << 4) as i8 - 32;
    }
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(0);
    for (codes, bytes) in block.codes.chunks_exact_mut(32).zip(bytes[8..136].chunks_exact(16)) {
        low_then_high(bytes, codes);
    }
}
