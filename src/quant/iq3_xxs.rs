//! IQ3_XXS: 256 weights in 98 bytes: an f16 scale, 64 indices into a grid of 4 weights, then for each group of 32 weights 32
//! bits with 4 times 7 signs and the group's scale in the top 4.

use super::grids::{IQ3_XXS as GRID, even_signs, four};
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

/// Eight magnitudes; the fourth bit is the sign.
static LEVELS: [i8; 16] = [4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62];

pub(super) const IQ3_XXS: TypeInfo = TypeInfo {
    name: "IQ3_XXS",
    id: 18,
    block_len: 256,
    block_bytes: 98,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 4,
        values: Values::Table(&LEVELS),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 2 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let grid = GRID.entries();
    let words = bytes[66..98].as_chunks::<4>().0;
    let groups = block.codes.chunks_exact_mut(32).zip(bytes[2..66].chunks_exact(8)).zip(words);
    for (g, ((codes, indices), &word)) in groups.enumerate() {
        let word = u32::from_le_bytes(word);
        for (k, codes) in codes.chunks_exact_mut(4).enumerate() {
            let signs = even_signs((word >> (k / 2 * 7)) as u8);
            four(grid[usize::from(indices[k])], signs >> (k % 2 * 4), codes);
        }
        block.group_scales[g] = (2 * (word >> 28) + 1) as i8;
    }
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(2);
}
