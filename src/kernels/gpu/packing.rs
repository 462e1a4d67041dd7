//! From GGUF bytes to the planes of a panel; see `weights.rs` for where they go and `shaders/shared` for who reads them.

use super::weights::{BLOCK, PANEL_ROWS};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::{Block, Codes, Form, Scales, TensorType, Values};

/// Blocks that share a [`Scales::Super`].
const SUPER_BLOCKS: usize = 8;

/// What the shaders call the planes' buffers, in the order in which a chunk holds them.
pub(super) const PLANES: &[&str] = &["weights", "high", "scales", "supers"];

/// One plane of a panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    /// One of [`PLANES`].
    pub(super) name: &'static str,
    /// u32 words in a panel.
    words: usize,
}

impl Plane {
    pub(super) fn bytes(&self) -> u64 {
        4 * self.words as u64
    }
}

/// The planes of one panel, in the order of [`PLANES`].
#[derive(Clone, Debug)]
pub(super) struct PanelLayout {
    /// Blocks in a row.
    pub(super) blocks: usize,
    pub(super) planes: Vec<Plane>,
}

impl PanelLayout {
    pub(super) fn new(form: Form, cols: usize) -> Self {
        let blocks = cols.div_ceil(BLOCK);
        let each = |words: usize| blocks * words * PANEL_ROWS;
        let mut planes = Vec::new();
        let mut add = |name, words| planes.push(Plane { name, words });
        match form {
            Form::F32 => add("weights", each(BLOCK)),
            Form::F16 | Form::Bf16 => add("weights", each(BLOCK / 2)),
            Form::Codes(codes) => {
                let (low, high) = split(codes.bits);
                add("weights", each(low));
                if high > 0 {
                    add("high", each(high));
                }
                add("scales", each(scale_bytes(codes)).div_ceil(4));
                if matches!(codes.scales, Scales::Super { .. }) {
                    let halves = if codes.has_min { 2 } else { 1 };
                    add("supers", blocks.div_ceil(SUPER_BLOCKS) * PANEL_ROWS * halves / 2);
                }
            }
        }
        Self { blocks, planes }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.planes.iter().map(Plane::bytes).sum()
    }
}

/// Bits of a code in the low plane and in the high one. A plane of n bits has n words a block and row.
fn split(bits: u32) -> (usize, usize) {
    match bits {
        2 | 3 => (2, bits as usize - 2),
        4..=6 => (4, bits as usize - 4),
        _ => (bits as usize, 0),
    }
}

/// Bytes of scales and minima a block and row.
fn scale_bytes(codes: Codes) -> usize {
    let groups = BLOCK / codes.group;
    let items = groups * if codes.has_min { 2 } else { 1 };
    match codes.scales {
        Scales::Half | Scales::Bf16 => 2 * items,
        Scales::Super { .. } => items,
    }
}

/// Where word `word` of `words` of (block, row) lies in a plane: rows side by side, in vectors of at most four words.
fn word_index(words: usize, block: usize, word: usize, row: usize) -> usize {
    let lanes = words.min(4);
    ((block * (words / lanes) + word / lanes) * PANEL_ROWS + row) * lanes + word % lanes
}

/// One panel in packed form; reused from panel to panel.
pub(super) struct Packer {
    ty: TensorType,
    /// (planes): each one's words.
    pub(super) planes: Vec<Vec<u32>>,
    block: Block,
}

impl Packer {
    pub(super) fn new(ty: TensorType, layout: &PanelLayout) -> Self {
        let planes = layout.planes.iter().map(|plane| vec![0; plane.words]).collect();
        Self { ty, planes, block: Block::default() }
    }

    /// Packs up to 64 rows; rows that are missing are zero.
    pub(super) fn pack(&mut self, bytes: &[u8], row_bytes: usize) -> Result<()> {
        if bytes.len() < row_bytes * PANEL_ROWS {
            self.planes.iter_mut().for_each(|plane| plane.fill(0));
        }
        for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
            match self.ty.form {
                Form::Codes(codes) => self.pack_codes(row, bytes, codes)?,
                Form::F32 => self.pack_dense(row, bytes, BLOCK),
                Form::F16 | Form::Bf16 => self.pack_dense(row, bytes, BLOCK / 2),
            }
        }
        Ok(())
    }

    /// Dense rows are copied word by word; an odd half at the end gets a zero beside it.
    fn pack_dense(&mut self, row: usize, bytes: &[u8], block_words: usize) {
        for (i, part) in bytes.chunks(4).enumerate() {
            let mut word = [0; 4];
            word[..part.len()].copy_from_slice(part);
            let at = word_index(block_words, i / block_words, i % block_words, row);
            self.planes[0][at] = u32::from_le_bytes(word);
        }
    }

    fn pack_codes(&mut self, row: usize, bytes: &[u8], codes: Codes) -> Result<()> {
        let parts = self.ty.block_len / BLOCK;
        for (i, bytes) in bytes.chunks_exact(self.ty.block_bytes).enumerate() {
            (self.ty.unpack)(bytes, &mut self.block);
            for part in 0..parts {
                let block = i * parts + part;
                self.pack_bits(block, row, part, codes);
                match codes.scales {
                    Scales::Half | Scales::Bf16 => self.pack_scales(block, row, part, codes)?,
                    Scales::Super { .. } => self.pack_multiples(block, row, part, codes),
                }
            }
            if matches!(codes.scales, Scales::Super { .. }) {
                self.pack_super(i, row, codes)?;
            }
        }
        Ok(())
    }

    fn pack_bits(&mut self, block: usize, row: usize, part: usize, codes: Codes) {
        let values = &self.block.codes[part * BLOCK..][..BLOCK];
        let (low, high) = split(codes.bits);
        for word in 0..low {
            self.planes[0][word_index(low, block, word, row)] = low_word(values, codes, low, word);
        }
        for word in 0..high {
            self.planes[1][word_index(high, block, word, row)] = spread_word(values, high, low, word);
        }
    }

    /// Which plane scales are in: behind one or two of codes.
    fn scale_plane(codes: Codes) -> usize {
        if split(codes.bits).1 > 0 { 2 } else { 1 }
    }

    /// Scales and minima of 16 bits, group by group.
    fn pack_scales(&mut self, block: usize, row: usize, part: usize, codes: Codes) -> Result<()> {
        let groups = BLOCK / codes.group;
        let mut items = Vec::with_capacity(2 * groups);
        for group in part * groups..(part + 1) * groups {
            items.push(sixteen_bits(self.block.scales[group], codes.scales, self.ty)?);
            if codes.has_min {
                items.push(sixteen_bits(self.block.mins[group], codes.scales, self.ty)?);
            }
        }
        let first = (block * PANEL_ROWS + row) * items.len();
        let plane = &mut self.planes[Self::scale_plane(codes)];
        items.iter().zip(first..).for_each(|(item, at)| put_bits(plane, at, 16, *item));
        Ok(())
    }

    /// Multiples of `d` and `d_min`, a byte each, group by group.
    fn pack_multiples(&mut self, block: usize, row: usize, part: usize, codes: Codes) {
        let groups = BLOCK / codes.group;
        let mut at = (block * PANEL_ROWS + row) * scale_bytes(codes);
        let plane = &mut self.planes[Self::scale_plane(codes)];
        for group in part * groups..(part + 1) * groups {
            put_bits(plane, at, 8, u32::from(self.block.group_scales[group] as u8));
            at += 1;
            if codes.has_min {
                put_bits(plane, at, 8, u32::from(self.block.group_mins[group]));
                at += 1;
            }
        }
    }

    fn pack_super(&mut self, super_block: usize, row: usize, codes: Codes) -> Result<()> {
        let d = sixteen_bits(self.block.d, Scales::Half, self.ty)?;
        let at = super_block * PANEL_ROWS + row;
        let plane = &mut self.planes[Self::scale_plane(codes) + 1];
        if codes.has_min {
            plane[at] = d | sixteen_bits(-self.block.d_min, Scales::Half, self.ty)? << 16;
        } else {
            put_bits(plane, at, 16, d);
        }
        Ok(())
    }
}

/// Writes item `at` of a plane of items of `bits` bits.
fn put_bits(plane: &mut [u32], at: usize, bits: usize, value: u32) {
    let (word, shift) = (at * bits / 32, at * bits % 32);
    let mask = ((1u64 << bits) - 1) as u32;
    plane[word] = plane[word] & !(mask << shift) | value << shift;
}

/// Word `word` of the low bits of 32 codes: see `low_2.wgsl`, `low_4.wgsl`, `codes_4bit.wgsl` and `codes_8bit.wgsl`.
/// Where a zero point in the middle of 4 or 8 bits is taken off here, the highest bit is turned over: they are then in
/// two's complement.
fn low_word(values: &[u8], codes: Codes, low: usize, word: usize) -> u32 {
    let four = |at: usize| u32::from_le_bytes([values[at], values[at + 1], values[at + 2], values[at + 3]]);
    match (low, codes.values) {
        (2, _) => spread_word(values, 2, 0, word),
        (4, values) => {
            let packed = four(4 * word) & 0x0f0f_0f0f | (four(16 + 4 * word) & 0x0f0f_0f0f) << 4;
            if codes.bits == 4 && values == Values::Linear(8) { packed ^ 0x8888_8888 } else { packed }
        }
        (_, _) => four(4 * word) ^ 0x8080_8080,
    }
}

/// Word `word` of `bits` (1 or 2) bits of 32 codes, those above the lowest `shift`: byte b has those of elements
/// 4j + b, in the order of the vectors j that share the word.
fn spread_word(values: &[u8], bits: usize, shift: usize, word: usize) -> u32 {
    let vectors = 8 / bits;
    let mask = (1u32 << bits) - 1;
    let mut packed = 0;
    for vector in 0..vectors {
        for byte in 0..4 {
            let code = u32::from(values[4 * (word * vectors + vector) + byte]) >> shift & mask;
            packed |= code << (8 * byte + bits * vector);
        }
    }
    packed
}

/// The bits of a scale in the 16 bits that the type needs, if that loses nothing.
fn sixteen_bits(scale: f32, scales: Scales, ty: TensorType) -> Result<u32> {
    let (bits, back) = match scales {
        Scales::Bf16 => (scale.to_bits() >> 16, f32::from_bits(scale.to_bits() & 0xffff_0000)),
        _ => {
            let half = half::f16::from_f32(scale);
            (u32::from(half.to_bits()), half.to_f32())
        }
    };
    if back != scale && !scale.is_nan() {
        let detail = format!("a scale of {scale} in {} does not fit 16 bits; use the CPU backend", ty.name);
        return Err(Error::new(ErrorKind::UnsupportedType, detail));
    }
    Ok(bits)
}
