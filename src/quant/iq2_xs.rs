//! IQ2_XS: 256 weights in 74 bytes: an f16 scale, 32 times 16 bits with an index of 9 bits into a grid of 8 weights and 7
//! signs, then 16 group scales of 4 bits.

use super::grids::{IQ2_XS as GRID, SIGNED_THREE, eight, even_signs};
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const IQ2_XS: TypeInfo = TypeInfo {
    name: "IQ2_XS",
    id: 17,
    block_len: 256,
    block_bytes: 74,
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
    for (codes, &word) in block.codes.chunks_exact_mut(8).zip(bytes[2..66].as_chunks::<2>().0) {
        let word = u16::from_le_bytes(word);
        eight(grid[usize::from(word & 511)], even_signs((word >> 9) as u8), codes);
    }
    odd_scales(&bytes[66..74], block);
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(3);
}

/// Group scales of 4 bits, low nibbles first; `s` stands for `2 s + 1`.
pub(super) fn odd_scales(nibbles: &[u8], block: &mut Block) {
    for (scales, b) in block.group_scales.chunks_exact_mut(2).zip(nibbles) {
        scales[0] = (2 * (b & 15) + 1) as i8;
        scales[1] = (2 * (b >> 4) + 1) as i8;
    }
}
