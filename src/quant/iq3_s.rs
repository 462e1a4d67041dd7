//! IQ3_S: 256 weights in 110 bytes: an f16 scale, the lower 8 bits of 64 indices into a grid of 4 weights, their ninth bits,
//! 32 bytes of signs, then 8 group scales of 4 bits.

use super::grids::{IQ3_S as GRID, four};
use super::iq2_xs::odd_scales;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

/// Eight magnitudes; the fourth bit is the sign.
static LEVELS: [i8; 16] = [1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15];

pub(super) const IQ3_S: TypeInfo = TypeInfo {
    name: "IQ3_S",
    id: 21,
    block_len: 256,
    block_bytes: 110,
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
    let grid = GRID.entries();
    let (indices, high, signs) = (&bytes[2..66], &bytes[66..74], &bytes[74..106]);
    for (k, codes) in block.codes.chunks_exact_mut(4).enumerate() {
        let high = usize::from(high[k / 8] >> (k % 8) & 1);
        four(grid[usize::from(indices[k]) | high << 8], signs[k / 2] >> (k % 2 * 4), codes);
    }
    odd_scales(&bytes[106..110], block);
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(0);
}
