//! IQ2_XXS: 256 weights in 66 bytes: an f16 scale, then 8 bytes for each group of 32: 4 indices into a grid of 8 weights, and
//! 32 bits with 4 times 7 signs and the group's scale in the top 4.

use super::grids::{IQ2_XXS as GRID, SIGNED_THREE, eight, even_signs};
use super::{Block, Codes, Form, Scales, TypeInfo, Values, half_at};

pub(super) const IQ2_XXS: TypeInfo = TypeInfo {
    name: "IQ2_XXS",
    id: 16,
    block_len: 256,
    block_bytes: 66,
    trailer_bytes: 0,
    form: Form::Codes(Codes {
        bits: 3,
        values: Values::Table(&SIGNED_THREE),
        has_min: false,
        group: 32,
        scales: Scales::Super { shift: 3 },
    }),
    unpack,
};

fn unpack(bytes: &[u8], block: &mut Block) {
    let grid = GRID.entries();
    let groups = block.codes.chunks_exact_mut(32).zip(bytes[2..66].as_chunks::<8>().0);
    for (g, (codes, &[i0, i1, i2, i3, s0, s1, s2, s3])) in groups.enumerate() {
        let (indices, signs) = ([i0, i1, i2, i3], u32::from_le_bytes([s0, s1, s2, s3]));
        for (k, codes) in codes.chunks_exact_mut(8).enumerate() {
            eight(grid[usize::from(indices[k])], even_signs((signs >> (7 * k)) as u8), codes);
        }
        block.group_scales[g] = (2 * (signs >> 28) + 1) as i8;
    }
    block.d = half_at(bytes, 0);
    block.without_mins();
    block.set_super(3);
}
