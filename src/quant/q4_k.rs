//! Q4_K: 256 weights in 144 bytes: an f16 scale, an f16 minimum, 12 bytes of 8 group scales and 8 group minima of 6 bits,
//! then 4 runs of 32 bytes with weight l in the low and l + 32 in the high nibble.

use super::q4_0::low_then_high;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const Q4_K: TypeInfo = TypeInfo {
    name: "Q4_K",
    id: 12,
    block_len: 256,
    block_bytes: 144,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Linear(0),
        has_min: true,
        group: 32,
        scales: Scales::Super { shift: 0 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    scales_and_mins(bytes, block);
    nibbles(&bytes[16..144], &mut block.codes);
}

/// The first 16 bytes of a block of Q4_K or Q5_K.
pub(super) fn scales_and_mins(bytes: &[u8], block: &mut Block) {
    (block.d, block.d_min) = (half_at(bytes, 0), half_at(bytes, 2));
    let (low, middle, high) = (&bytes[4..8], &bytes[8..12], &bytes[12..16]);
    for g in 0..4 {
        block.group_scales[g] = (low[g] & 63) as i8;
        block.group_mins[g] = middle[g] & 63;
        // the other four take the nibbles of the last bytes and the top two bits of the first
        block.group_scales[g + 4] = (high[g] & 15 | low[g] >> 6 << 4) as i8;
        block.group_mins[g + 4] = high[g] >> 4 | middle[g] >> 6 << 4;
    }
    block.set_super(0);
}

/// 256 codes from 128 bytes: each run of 32 bytes holds 32 weights in the low and the next 32 in the high nibbles.
pub(super) fn nibbles(bytes: &[u8], codes: &mut [u8]) {
    for (codes, bytes) in codes.chunks_exact_mut(64).zip(bytes.chunks_exact(32)) {
        low_then_high(bytes, codes);
    }
}
