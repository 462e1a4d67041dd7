//! IQ1_M: 256 weights in 56 bytes: the lower 8 bits of 32 indices into the grid of IQ1_S, a nibble for each with its upper 3
//! bits and whether 1/8 is added or taken off, then 4 times 16 bits, each with 4 group scales of 3 bits and, on top, a
//! quarter of the f16 scale.

use super::grids::{IQ1 as GRID, SHIFTED_TRITS, eight};
use super::{Block, Codes, Form, Scales, TypeInfo, Values, f16_to_f32};

pub(super) const IQ1_M: TypeInfo = TypeInfo {
    name: "IQ1_M",
    id: 29,
    block_len: 256,
    block_bytes: 56,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 3,
        values: Values::Table(&SHIFTED_TRITS),
        has_min: false,
        group: 16,
        scales: Scales::Super { shift: 3 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let grid = GRID.entries();
    for (k, codes) in block.codes.chunks_exact_mut(8).enumerate() {
        let nibble = bytes[32 + k / 2] >> (k % 2 * 4) & 15;
        let below = if nibble >> 3 == 1 { 0xff } else { 0 };
        eight(grid[usize::from(bytes[k]) | usize::from(nibble & 7) << 8], below, codes);
    }
    let mut half = 0;
    for (q, &word) in bytes[48..56].as_chunks::<2>().0.iter().enumerate() {
        let word = u16::from_le_bytes(word);
        half |= word >> 12 << (4 * q);
        for k in 0..4 {
            block.group_scales[4 * q + k] = (2 * (word >> (3 * k) & 7) + 1) as i8;
        }
    }
    block.d = f16_to_f32(half);
    block.without_mins();
    block.set_super(3);
}
