//! Weight matrices: packed in panels of 64 rows, in chunks that one buffer can hold.
//!
//! A plane is (panels, blocks, vectors, 64) 16-byte vectors, where a block is 32 weights of a row: what one panel
//! needs is one run of bytes, and neighbouring invocations, which own neighbouring rows, read neighbouring vectors.
//! A chunk is one buffer: the plane of weights, then the plane of scales.

use super::device::Device;
use super::internal;
use super::variants::variants_of;
use crate::error::{Error, ErrorKind, Result};
use crate::quant::{Block, Codes, Form, TensorType};

/// Rows a panel: `PANEL_ROWS` in `shaders/shared/block.wgsl`.
pub(super) const PANEL_ROWS: usize = 64;
/// Weights a block of the packed form, whatever the type's own block is.
pub(super) const BLOCK: usize = 32;
/// Offsets of bindings are multiples of this (WebGPU's default limit).
const BINDING_ALIGN: u64 = 256;

/// Rows of a matrix that are in one buffer.
pub(super) struct Chunk {
    pub(super) buffer: wgpu::Buffer,
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// Where the scales begin, in bytes.
    pub(super) scales_at: u64,
}

/// A packed matrix W (rows, cols).
pub(super) struct Matrix {
    pub(super) chunks: Vec<Chunk>,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// The shaders' name of its format.
    pub(super) format: String,
    ty: TensorType,
    panel: PanelLayout,
    panels_a_chunk: usize,
}

/// Sizes of one packed panel.
#[derive(Clone, Copy)]
struct PanelLayout {
    /// Blocks in a row.
    blocks: usize,
    /// u32 words of weights in a block of one row.
    block_words: usize,
    /// u32 words of scales in a block of all rows; 0 for dense forms.
    scale_words: usize,
}

impl PanelLayout {
    fn weight_bytes(&self) -> u64 {
        4 * (self.blocks * self.block_words * PANEL_ROWS) as u64
    }

    fn scale_bytes(&self) -> u64 {
        4 * (self.blocks * self.scale_words) as u64
    }

    /// Where a word of (block, row) lies in the panel's weights.
    fn word_index(&self, block: usize, word: usize, row: usize) -> usize {
        let vectors = self.block_words / 4;
        ((block * vectors + word / 4) * PANEL_ROWS + row) * 4 + word % 4
    }
}

/// The name that `build.rs` gives a form.
fn format_name(form: Form) -> String {
    match form {
        Form::F32 => "f32".to_owned(),
        Form::F16 => "f16".to_owned(),
        Form::Bf16 => "bf16".to_owned(),
        Form::Codes(Codes { bits, zero, has_min, .. }) => {
            format!("codes{bits}_zero{zero}{}", if has_min { "_min" } else { "" })
        }
    }
}

/// Words of weights a block and row, and words of scales a block.
fn words_of(form: Form) -> (usize, usize) {
    match form {
        Form::F32 => (BLOCK, 0),
        Form::F16 | Form::Bf16 => (BLOCK / 2, 0),
        Form::Codes(codes) => {
            (BLOCK * codes.bits as usize / 32, if codes.has_min { PANEL_ROWS } else { PANEL_ROWS / 2 })
        }
    }
}

impl Matrix {
    pub(super) fn new(device: &Device, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let format = format_name(ty.form);
        let one_group = !matches!(ty.form, Form::Codes(c) if c.group != BLOCK);
        if variants_of("matmul", &format).next().is_none() || !one_group {
            let detail = format!("{label} is {}, which has no WebGPU kernel; use the CPU backend", ty.name);
            return Err(Error::new(ErrorKind::UnsupportedType, detail));
        }
        if rows == 0 || cols == 0 || !cols.is_multiple_of(ty.block_len) {
            return Err(internal(format!("{label}: ({rows}, {cols}) is not whole blocks of {}", ty.name)));
        }
        let (block_words, scale_words) = words_of(ty.form);
        let panel = PanelLayout { blocks: cols.div_ceil(BLOCK), block_words, scale_words };
        let panel_bytes = panel.weight_bytes() + panel.scale_bytes();
        // room for the scales' alignment
        let room = device.options.chunk_bytes.saturating_sub(BINDING_ALIGN);
        let panels_a_chunk = usize::try_from((room / panel_bytes).max(1)).unwrap_or(usize::MAX);
        let mut chunks = Vec::new();
        let mut first_row = 0;
        while first_row < rows {
            let chunk_rows = panels_a_chunk.saturating_mul(PANEL_ROWS).min(rows - first_row);
            chunks.push(Chunk::new(device, label, panel, first_row, chunk_rows)?);
            first_row += chunk_rows;
        }
        Ok(Self { chunks, rows, cols, format, ty, panel, panels_a_chunk })
    }

    /// Blocks in a row.
    pub(super) fn blocks(&self) -> usize {
        self.panel.blocks
    }

    pub(super) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.buffer.size()).sum()
    }

    /// Packs whole rows from GGUF bytes, a panel at a time, and hands them to the queue. Returns bytes written.
    pub(super) fn write_rows(&self, queue: &wgpu::Queue, first_row: usize, bytes: &[u8]) -> Result<u64> {
        let row_bytes = self.ty.bytes_of(self.cols as u64).and_then(|b| usize::try_from(b).ok()).unwrap_or(0);
        let whole = row_bytes != 0 && bytes.len().is_multiple_of(row_bytes);
        let rows = bytes.len().checked_div(row_bytes).unwrap_or(0);
        let last = first_row.checked_add(rows).filter(|&end| end <= self.rows);
        let Some(end) = last.filter(|_| whole && first_row.is_multiple_of(PANEL_ROWS)) else {
            let (have, ty) = (bytes.len(), self.ty.name);
            return Err(internal(format!("{have} bytes of {ty} are not rows from {first_row} of {}", self.rows)));
        };
        if end != self.rows && !end.is_multiple_of(PANEL_ROWS) {
            return Err(internal(format!("rows {first_row} to {end} of {} are not whole panels", self.rows)));
        }
        let mut packer = Packer::new(self.ty, self.panel);
        let mut written = 0;
        for (i, rows) in bytes.chunks(row_bytes * PANEL_ROWS).enumerate() {
            packer.pack(rows, row_bytes)?;
            written += self.upload(queue, first_row / PANEL_ROWS + i, &packer)?;
        }
        Ok(written)
    }

    fn upload(&self, queue: &wgpu::Queue, panel: usize, packed: &Packer) -> Result<u64> {
        let chunk = self.chunks.get(panel / self.panels_a_chunk).ok_or_else(|| internal("no such panel"))?;
        let at = (panel % self.panels_a_chunk) as u64;
        queue.write_buffer(&chunk.buffer, at * self.panel.weight_bytes(), bytemuck::cast_slice(&packed.weights));
        if !packed.scales.is_empty() {
            let offset = chunk.scales_at + at * self.panel.scale_bytes();
            queue.write_buffer(&chunk.buffer, offset, bytemuck::cast_slice(&packed.scales));
        }
        Ok(self.panel.weight_bytes() + self.panel.scale_bytes())
    }
}

impl Chunk {
    fn new(device: &Device, label: &str, panel: PanelLayout, first_row: usize, rows: usize) -> Result<Self> {
        let panels = rows.div_ceil(PANEL_ROWS) as u64;
        let scales_at = (panels * panel.weight_bytes()).next_multiple_of(BINDING_ALIGN);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = device.create_buffer(label, scales_at + panels * panel.scale_bytes(), usage)?;
        Ok(Self { buffer, first_row, rows, scales_at })
    }
}

/// One panel in packed form; reused from panel to panel.
struct Packer {
    ty: TensorType,
    layout: PanelLayout,
    weights: Vec<u32>,
    scales: Vec<u32>,
    block: Block,
}

impl Packer {
    fn new(ty: TensorType, layout: PanelLayout) -> Self {
        let weights = vec![0; layout.blocks * layout.block_words * PANEL_ROWS];
        let scales = vec![0; layout.blocks * layout.scale_words];
        Self { ty, layout, weights, scales, block: Block::default() }
    }

    /// Packs up to 64 rows; rows that are missing are zero.
    fn pack(&mut self, bytes: &[u8], row_bytes: usize) -> Result<()> {
        if bytes.len() < row_bytes * PANEL_ROWS {
            self.weights.fill(0);
            self.scales.fill(0);
        }
        for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
            match self.ty.form {
                Form::Codes(codes) => self.pack_codes(row, bytes, codes)?,
                Form::F32 | Form::F16 | Form::Bf16 => self.pack_dense(row, bytes),
            }
        }
        Ok(())
    }

    /// Dense rows are copied word by word; an odd half at the end gets a zero beside it.
    fn pack_dense(&mut self, row: usize, bytes: &[u8]) {
        for (i, part) in bytes.chunks(4).enumerate() {
            let mut word = [0; 4];
            word[..part.len()].copy_from_slice(part);
            let at = self.layout.word_index(i / self.layout.block_words, i % self.layout.block_words, row);
            self.weights[at] = u32::from_le_bytes(word);
        }
    }

    fn pack_codes(&mut self, row: usize, bytes: &[u8], codes: Codes) -> Result<()> {
        let blocks_a_block = self.ty.block_len / BLOCK;
        for (i, bytes) in bytes.chunks_exact(self.ty.block_bytes).enumerate() {
            (self.ty.unpack)(bytes, &mut self.block);
            for part in 0..blocks_a_block {
                let block = i * blocks_a_block + part;
                for word in 0..self.layout.block_words {
                    let at = self.layout.word_index(block, word, row);
                    self.weights[at] = code_word(&self.block.codes[part * BLOCK..][..BLOCK], codes, word);
                }
                self.pack_scale(block, row, part, codes.has_min)?;
            }
        }
        Ok(())
    }

    fn pack_scale(&mut self, block: usize, row: usize, group: usize, has_min: bool) -> Result<()> {
        let scale = exact_half(self.block.scales[group], self.ty)?;
        if has_min {
            let min = exact_half(self.block.mins[group], self.ty)?;
            self.scales[block * PANEL_ROWS + row] = scale | min << 16;
        } else {
            let word = &mut self.scales[(block * PANEL_ROWS + row) / 2];
            let shift = 16 * (row % 2);
            *word = *word & !(0xffff << shift) | scale << shift;
        }
        Ok(())
    }
}

/// Word `word` of 32 codes: see `shaders/shared/codes_4bit.wgsl` and `codes_8bit.wgsl`. A zero point in the middle of
/// the codes is taken off here: with the highest bit turned over they are in two's complement.
fn code_word(values: &[u8], codes: Codes, word: usize) -> u32 {
    let four = |at: usize| u32::from_le_bytes([values[at], values[at + 1], values[at + 2], values[at + 3]]);
    let is_signed = codes.zero == 1 << (codes.bits - 1);
    if codes.bits == 4 {
        let packed = four(4 * word) | four(16 + 4 * word) << 4;
        if is_signed { packed ^ 0x8888_8888 } else { packed }
    } else {
        four(4 * word) ^ 0x8080_8080
    }
}

/// The bits of a scale as a half, if that loses nothing.
fn exact_half(scale: f32, ty: TensorType) -> Result<u32> {
    let half = half::f16::from_f32(scale);
    if half.to_f32() != scale && !scale.is_nan() {
        let detail = format!("a scale of {scale} in {} is not a half; use the CPU backend", ty.name);
        return Err(Error::new(ErrorKind::UnsupportedType, detail));
    }
    Ok(u32::from(half.to_bits()))
}
