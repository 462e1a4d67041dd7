//! Q3_K: 256 weights in 110 bytes: 32 bytes of third bits, 64 bytes of lower bits as in Q2_K, 12 bytes of 16 group
//! scales of 6 bits, which stand for -32 to 31, and an f16 scale.

use super::q2_k::two_bits;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q3_K: TypeInfo = TypeInfo {
    name: "Q3_K",
    id: 11,
    block_len: 256,
    block_bytes: 110,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 3,
        values: Values::Linear(4),
        has_min: false,
        group: 16,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    two_bits(&bytes[32..96], &mut block.codes);
    // byte l holds the third bits of weights l, l + 32, ..., l + 224
    for (run, codes) in block.codes.chunks_exact_mut(32).enumerate() {
        for (code, b) in codes.iter_mut().zip(&bytes[..32]) {
            *code |= (b >> run & 1) << 2;
        }
    }
    let packed = &bytes[96..108];
    for (g, scale) in block.group_scales.iter_mut().enumerate() {
        let low = packed[g % 8] >> (g / 8 * 4) & 15;
        let high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
        *scale = (low | high << 4) as i8 - 32;
    }
    block.d = half_at(bytes, 108);
    block.without_mins();
    block.set_super(0);
}
