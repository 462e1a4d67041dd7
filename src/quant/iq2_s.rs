//! IQ2_S: 256 weights in 82 bytes: an f16 scale, the lower 8 bits of 32 indices into a grid of 8 weights, 32 bytes of signs,
//! the upper 2 bits of the indices, then 16 group scales of 4 bits.

use super::grids::{IQ2_S as GRID, SIGNED_THREE, eight};
use super::iq2_xs::odd_scales;
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const IQ2_S: TypeInfo = TypeInfo {
    name: "IQ2_S",
    id: 22,
    block_len: 256,
    block_bytes: 82,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 3,
        values: Values::Table(&SIGNED_THREE),
        has_min: false,
        group: 16,
        scales: Scales::Super { shift: 3 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let grid = GRID.entries();
    let (indices, signs, high) = (&bytes[2..34], &bytes[34..66], &bytes[66..74]);
    for (k, codes) in block.codes.chunks_exact_mut(8).enumerate() {
        let high = usize::from(high[k / 4] >> (k % 4 * 2) & 3);
        eight(grid[usize::from(indices[k]) | high << 8], signs[k], codes);
    }
    odd_scales(&bytes[74..82], block);
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(3);
}
