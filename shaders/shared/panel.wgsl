// Rows of a panel: the weights of one panel and one block lie together, row beside row, so that neighbouring
// invocations read neighbouring vectors.
const PANEL_ROWS = 64u;

// Where (panel, block, vector, row) lies in a plane of `vectors` 16-byte vectors a block.
fn plane_index(panel_block: u32, vectors: u32, vector: u32, row: u32) -> u32 {
    return (panel_block * vectors + vector) * PANEL_ROWS + row;
}
