//! IQ1_S: 256 weights in 50 bytes: an f16 scale, the lower 8 bits of 32 indices into a grid of 8 trits, then 16 bits for each
//! group of 32 weights: the upper 3 bits of its 4 indices, its scale in 3 bits, and whether 1/8 is added or taken off.

use super::grids::{IQ1 as GRID, SHIFTED_TRITS, eight};
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const IQ1_S: TypeInfo = TypeInfo {
    name: "IQ1_S",
    id: 19,
    block_len: 256,
    block_bytes: 50,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 3,
        values: Values::Table(&SHIFTED_TRITS),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 3 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let grid = GRID.entries();
    let words = bytes[34..50].as_chunks::<2>().0;
    let groups = block.codes.chunks_exact_mut(32).zip(bytes[2..34].chunks_exact(4)).zip(words);
    for (g, ((codes, indices), &word)) in groups.enumerate() {
        let word = u16::from_le_bytes(word);
        let below = if word >> 15 == 1 { 0xff } else { 0 };
        for (k, codes) in codes.chunks_exact_mut(8).enumerate() {
            let high = usize::from(word >> (3 * k) & 7);
            eight(grid[usize::from(indices[k]) | high << 8], below, codes);
        }
        block.group_scales[g] = (2 * (word >> 12 & 7) + 1) as i8;
    }
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(3);
}
