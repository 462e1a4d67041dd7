//! Matrices of integer codes: packing, and the integer dot products.
//!
//! A panel is 8 rows. For each 32 columns (a block) it holds, in the order in which they are read, what the scales are
//! made of ([`scales`]) and then the codes ([`formats`]); types whose scales are multiples of one number for 256 weights
//! have that number in front of eight blocks.

mod formats;
mod products;
mod scales;

use super::activation::Quantized;
use super::lanes::{Line, line};
use super::{BLOCK, MAX_ROWS, PANEL, Sums, fill, panels, put_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::pool::Pool;
use crate::kernels::cpu::{Output, zeroed};
use crate::quant::{Block, Codes, Form, Scales, TensorType, Values};
use core::arch::wasm32::u8x16_splat;
use formats::{Bytes, Four, Map, Nibbles, Two, get, nibble_place, plane_lines, plane_place, put};
use scales::{Around8, Single, Super};
use std::ops::Range;

/// Blocks that share a [`Scales::Super`].
const SUPER_BLOCKS: usize = 8;

/// A packed matrix (rows, cols).
#[derive(Debug)]
pub struct Matrix {
    ty: TensorType,
    codes: Codes,
    layout: Layout,
    rows: usize,
    cols: usize,
    lines: Vec<Line>,
}

/// How codes are stored; see [`formats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    /// Four 4-bit codes a lane, unsigned.
    Nibbles,
    /// A plane of `low` bits and one of `high`.
    Planes { low: usize, high: usize },
}

/// Lines of the parts of a panel.
#[derive(Clone, Copy, Debug)]
struct Layout {
    storage: Storage,
    groups: usize,
    /// Groups of minima that are stored: `groups` or none.
    min_groups: usize,
    /// Blocks that share a head, and its lines; 1 and 0 without a [`Scales::Super`].
    blocks: usize,
    head: usize,
    /// Lines of scales of a block.
    scales: usize,
    /// Lines of codes of a block.
    codes: usize,
}

impl Layout {
    fn of(codes: Codes) -> Option<Self> {
        let is_nibbles = codes.bits == 4 && matches!(codes.values, Values::Linear(_));
        let (storage, bits) = match codes.bits {
            4 if is_nibbles => (Storage::Nibbles, 4),
            2 | 3 => (Storage::Planes { low: 2, high: codes.bits as usize - 2 }, codes.bits as usize),
            4..=6 => (Storage::Planes { low: 4, high: codes.bits as usize - 4 }, codes.bits as usize),
            8 => (Storage::Planes { low: 8, high: 0 }, 8),
            _ => return None,
        };
        let groups: usize = match codes.group {
            BLOCK => 1,
            16 => 2,
            _ => return None,
        };
        let min_groups: usize = if codes.has_min { groups } else { 0 };
        let (blocks, head, scales) = match codes.scales {
            Scales::Half | Scales::Bf16 => (1, 0, 2 * (groups + min_groups)),
            Scales::Super { .. } => {
                (SUPER_BLOCKS, if codes.has_min { 4 } else { 2 }, (groups + min_groups).div_ceil(2))
            }
        };
        Some(Self { storage, groups, min_groups, blocks, head, scales, codes: plane_lines(bits) })
    }

    fn block_lines(&self) -> usize {
        self.scales + self.codes
    }

    /// Lines before the scales of block `block` of a panel.
    fn block_at(&self, block: usize) -> usize {
        self.head_at(block) + self.head + block % self.blocks * self.block_lines()
    }

    /// Lines before the head of that block.
    fn head_at(&self, block: usize) -> usize {
        block / self.blocks * (self.head + self.blocks * self.block_lines())
    }
}

impl Matrix {
    pub(super) fn new(ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let Form::Codes(codes) = ty.form else { return Err(unfit(ty, cols)) };
        let layout = Layout::of(codes).ok_or_else(|| unfit(ty, cols))?;
        if !cols.is_multiple_of(BLOCK * layout.blocks) || !cols.is_multiple_of(ty.block_len) {
            return Err(unfit(ty, cols));
        }
        let mut matrix = Self { ty, codes, layout, rows, cols, lines: Vec::new() };
        matrix.lines = zeroed(rows.div_ceil(PANEL) as u64 * matrix.panel_lines() as u64, "weights")?;
        Ok(matrix)
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lines.len() * size_of::<Line>()) as u64
    }

    fn panel_lines(&self) -> usize {
        self.layout.head_at(self.cols / BLOCK)
    }

    pub(super) fn write_rows(&mut self, first_row: usize, bytes: &[u8], pool: &Pool) -> Result<()> {
        let row_bytes = self.cols / self.ty.block_len * self.ty.block_bytes;
        let range = panels(first_row, bytes.len() / row_bytes, self.rows)?;
        let panel_lines = self.panel_lines();
        let packer = Packer { codes: self.codes, layout: self.layout };
        let to = &mut self.lines[range.start * panel_lines..range.end * panel_lines];
        let ty = self.ty;
        fill(to, panel_lines, (bytes, row_bytes), pool, &|panel, rows| {
            let mut block = Block::default();
            let parts = ty.block_len / BLOCK;
            for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                for (b, bytes) in row.chunks_exact(ty.block_bytes).enumerate() {
                    (ty.unpack)(bytes, &mut block);
                    for part in 0..parts {
                        packer.put(panel, lane, b * parts + part, &block, part);
                    }
                }
            }
        });
        Ok(())
    }

    /// out (cols) = row `r`, dequantised.
    pub(super) fn row(&self, r: usize, out: &mut [f32]) {
        let panel = &self.lines[r / PANEL * self.panel_lines()..][..self.panel_lines()];
        let packer = Packer { codes: self.codes, layout: self.layout };
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            packer.get(panel, r % PANEL, block, out);
        }
    }

    /// Quantises x (n, cols) as `matmul` wants it.
    pub(super) fn prepare(&self, n: usize, x: &[f32], input: &mut Quantized, _pool: &Pool) {
        input.quantize(n, x);
    }

    /// out (n, rows) = x (n, cols) @ Wᵀ, for the rows of `panels`.
    pub(super) fn matmul(&self, n: usize, x: &Quantized, panels: Range<usize>, out: &mut Output<'_>) {
        let to = (panels, out);
        let is_super = matches!(self.codes.scales, Scales::Super { .. });
        match (self.layout.storage, is_super, self.layout.groups, self.codes.has_min) {
            (Storage::Nibbles, false, _, false) => self.run::<Nibbles, Around8>(n, x, to),
            (Storage::Nibbles, false, _, true) => self.run::<Nibbles, Single<1, true>>(n, x, to),
            (Storage::Nibbles, true, ..) => self.run::<Nibbles, Super<1, true>>(n, x, to),
            (Storage::Planes { low: 8, .. }, ..) => self.run::<Bytes, Single<1, false>>(n, x, to),
            (Storage::Planes { low: 2, high: 0 }, false, ..) => self.run::<Two<0>, Single<1, false>>(n, x, to),
            (Storage::Planes { low: 2, high: 0 }, true, 2, _) => self.run::<Two<0>, Super<2, true>>(n, x, to),
            (Storage::Planes { low: 2, high: 0 }, true, ..) => self.run::<Two<0>, Super<1, false>>(n, x, to),
            (Storage::Planes { low: 2, .. }, _, 2, _) => self.run::<Two<1>, Super<2, false>>(n, x, to),
            (Storage::Planes { low: 2, .. }, ..) => self.run::<Two<1>, Super<1, false>>(n, x, to),
            (Storage::Planes { high: 0, .. }, false, 2, _) => self.run::<Four<0>, Single<2, false>>(n, x, to),
            (Storage::Planes { high: 0, .. }, false, ..) => self.run::<Four<0>, Single<1, false>>(n, x, to),
            (Storage::Planes { high: 0, .. }, true, ..) => self.run::<Four<0>, Super<1, false>>(n, x, to),
            (Storage::Planes { high: 1, .. }, false, _, false) => self.run::<Four<1>, Single<1, false>>(n, x, to),
            (Storage::Planes { high: 1, .. }, false, ..) => self.run::<Four<1>, Single<1, true>>(n, x, to),
            (Storage::Planes { high: 1, .. }, true, ..) => self.run::<Four<1>, Super<1, true>>(n, x, to),
            (Storage::Planes { .. }, ..) => self.run::<Four<2>, Super<2, false>>(n, x, to),
        }
    }

    fn run<C: formats::Format, S: scales::Format>(
        &self,
        n: usize,
        x: &Quantized,
        (panels, out): (Range<usize>, &mut Output<'_>),
    ) {
        let map = self.map();
        let mut sums: Sums = [0.0; MAX_ROWS * PANEL];
        let sums = &mut sums[..n * PANEL];
        for p in panels {
            let panel = &self.lines[p * self.panel_lines()..(p + 1) * self.panel_lines()];
            if n == 1 {
                products::gemv::<C, S>(panel, x, map, sums);
            } else {
                sums.fill(0.0);
                products::gemm::<C, S>(panel, n, x, map, sums);
            }
            put_rows(sums, p, self.rows, out);
        }
    }

    fn map(&self) -> Map {
        let mut table = [0u8; 16];
        for (code, value) in (0..).zip(&mut table) {
            *value = self.codes.values.of(code) as i8 as u8;
        }
        let zero = match self.codes.values {
            Values::Linear(zero) => zero,
            Values::Table(_) => 0,
        };
        Map { table: line(&Line(table)), zero: u8x16_splat(zero) }
    }
}

/// Writes and reads the blocks of a panel, one lane (row) at a time.
struct Packer {
    codes: Codes,
    layout: Layout,
}

impl Packer {
    /// Writes the 32 columns of part `part` of `from` as block `block` of a panel.
    fn put(&self, panel: &mut [Line], lane: usize, block: usize, from: &Block, part: usize) {
        let Layout { groups, min_groups, scales, .. } = self.layout;
        let first = part * groups;
        if let Scales::Super { shift } = self.codes.scales {
            let head = &mut panel[self.layout.head_at(block)..];
            put_f32(head, lane, from.d / (1u32 << shift) as f32);
            if self.codes.has_min {
                put_f32(&mut head[2..], lane, -from.d_min);
            }
        }
        let lines = &mut panel[self.layout.block_at(block)..][..self.layout.block_lines()];
        for group in 0..groups {
            match self.codes.scales {
                Scales::Half | Scales::Bf16 => put_f32(&mut lines[2 * group..], lane, from.scales[first + group]),
                Scales::Super { .. } => *byte(lines, lane, group) = from.group_scales[first + group] as u8,
            }
        }
        for group in 0..min_groups {
            match self.codes.scales {
                Scales::Half | Scales::Bf16 => {
                    put_f32(&mut lines[2 * (groups + group)..], lane, from.mins[first + group])
                }
                Scales::Super { .. } => *byte(lines, lane, groups + group) = from.group_mins[first + group],
            }
        }
        for (k, code) in from.codes[part * BLOCK..][..BLOCK].iter().enumerate() {
            self.put_code(&mut lines[scales..], lane, k, *code);
        }
    }

    fn put_code(&self, lines: &mut [Line], lane: usize, k: usize, code: u8) {
        match self.layout.storage {
            Storage::Nibbles => put(lines, nibble_place(lane, k), 4, code),
            // stored as what it stands for, which a byte holds
            Storage::Planes { low: 8, .. } => {
                put(lines, plane_place(8, lane, k), 8, self.codes.values.of(code) as i8 as u8)
            }
            Storage::Planes { low, high } => {
                put(lines, plane_place(low, lane, k), low, code);
                if high > 0 {
                    put(&mut lines[plane_lines(low)..], plane_place(high, lane, k), high, code >> low);
                }
            }
        }
    }

    /// out (32) = the weights of a block, dequantised by the same operations as `quant::dequantize`.
    fn get(&self, panel: &[Line], lane: usize, block: usize, out: &mut [f32]) {
        let Layout { groups, min_groups, scales, .. } = self.layout;
        let head = &panel[self.layout.head_at(block)..];
        let lines = &panel[self.layout.block_at(block)..][..self.layout.block_lines()];
        for (group, out) in out.chunks_exact_mut(BLOCK / groups).enumerate() {
            let (scale, min) = match self.codes.scales {
                Scales::Half | Scales::Bf16 => {
                    let min = if min_groups > 0 { get_f32(&lines[2 * (groups + group)..], lane) } else { 0.0 };
                    (get_f32(&lines[2 * group..], lane), min)
                }
                Scales::Super { .. } => {
                    let scale = get_f32(head, lane) * f32::from(read_byte(lines, lane, group) as i8);
                    let least = |head| get_f32(head, lane) * f32::from(read_byte(lines, lane, groups + group));
                    (scale, if min_groups > 0 { least(&head[2..]) } else { 0.0 })
                }
            };
            for (k, out) in (group * BLOCK / groups..).zip(out) {
                let value = self.value(&lines[scales..], lane, k) as f32;
                *out = if min_groups > 0 { scale * value + min } else { scale * value };
            }
        }
    }

    fn value(&self, lines: &[Line], lane: usize, k: usize) -> i32 {
        match self.layout.storage {
            Storage::Nibbles => self.codes.values.of(get(lines, nibble_place(lane, k), 4)),
            Storage::Planes { low: 8, .. } => i32::from(get(lines, plane_place(8, lane, k), 8) as i8),
            Storage::Planes { low, high: 0 } => self.codes.values.of(get(lines, plane_place(low, lane, k), low)),
            Storage::Planes { low, high } => {
                let top = get(&lines[plane_lines(low)..], plane_place(high, lane, k), high);
                self.codes.values.of(get(lines, plane_place(low, lane, k), low) | top << low)
            }
        }
    }
}

fn unfit(ty: TensorType, cols: usize) -> Error {
    Error::new(ErrorKind::Internal, format!("no SIMD128 packing for {} with {cols} columns", ty.name))
}

fn put_f32(lines: &mut [Line], lane: usize, value: f32) {
    lines[lane / 4].0[lane % 4 * 4..][..4].copy_from_slice(&value.to_le_bytes());
}

fn get_f32(lines: &[Line], lane: usize) -> f32 {
    let b = &lines[lane / 4].0[lane % 4 * 4..][..4];
    f32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

/// Byte of a lane in the `at`-th eight bytes.
fn byte(lines: &mut [Line], lane: usize, at: usize) -> &mut u8 {
    &mut lines[at / 2].0[at % 2 * PANEL + lane]
}

fn read_byte(lines: &[Line], lane: usize, at: usize) -> u8 {
    lines[at / 2].0[at % 2 * PANEL + lane]
}
