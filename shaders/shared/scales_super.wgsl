// Scales that are multiples of a half for eight blocks, `d`, and minima that are multiples of another, `d_min`.
// (panels, blocks, 64) items of BYTES bytes: for each group its signed multiple and, if HAS_MIN, its unsigned one.
@group(0) @binding(2) var<storage, read> scales: array<u32>;
// (panels, blocks / 8, 64) words of d (low) and -d_min (high) if HAS_MIN, else (panels, blocks / 8, 32) words of two d.
@group(0) @binding(7) var<storage, read> supers: array<u32>;
// What d is multiplied with: a power of two.
override FACTOR: f32 = 1.0;

// (d, -d_min)
fn load_super(panel_block: u32, row: u32) -> vec2<f32> {
    let at = (panel_block >> 3u) * PANEL_ROWS + row;
    if (HAS_MIN) {
        return unpack2x16float(supers[at]) * vec2<f32>(FACTOR, 1.0);
    }
    let rows = unpack2x16float(supers[at >> 1u]);
    return vec2<f32>(select(rows.x, rows.y, (at & 1u) == 1u) * FACTOR, 0.0);
}

// The item of a (block, row) in the lowest bits of a word.
fn load_multiples(panel_block: u32, row: u32) -> u32 {
    let at = (panel_block * PANEL_ROWS + row) * BYTES;
    return scales[at >> 2u] >> (8u * (at & 3u));
}

fn signed_byte(word: u32, at: u32) -> f32 {
    return f32(bitcast<i32>(word << (24u - at)) >> 24u);
}

fn unsigned_byte(word: u32, at: u32) -> f32 {
    return f32((word >> at) & 255u);
}
