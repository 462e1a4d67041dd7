//! TQ1_0: 256 weights of -1, 0 and 1 in 54 bytes: 48 bytes of five trits, 4 bytes of four, an f16 scale.

use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const TQ1_0: TypeInfo = TypeInfo {
    name: "TQ1_0",
    id: 34,
    block_len: 256,
    block_bytes: 54,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 2,
        values: Values::Linear(1),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let (first, rest) = block.codes.split_at_mut(160);
    let (second, third) = rest.split_at_mut(80);
    trits(&bytes[..32], first);
    trits(&bytes[32..48], second);
    trits(&bytes[48..52], third);
    block.set_uniform(half_at(bytes, 52));
}

/// The first trit of all bytes, then the second, and so on. A byte is the fraction `0.t0 t1 t2 t3 t4` in base 3 times 256,
/// rounded up: three times it carries the next trit out at the top.
fn trits(bytes: &[u8], codes: &mut [u8]) {
    let mut power = 1u8;
    for codes in codes.chunks_exact_mut(bytes.len()) {
        for (code, b) in codes.iter_mut().zip(bytes) {
            *code = ((u16::from(b.wrapping_mul(power)) * 3) >> 8) as u8;
        }
        power = power.wrapping_mul(3);
    }
}
