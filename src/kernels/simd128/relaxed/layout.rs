//! Where the parts of a panel lie, and writing and reading them one lane (row) at a time.

use super::super::lanes::Line;
use super::super::{BLOCK, PANEL};
use super::formats::{get, put};
use super::scales::{SEGMENT, SEGMENTS};
use crate::quant::{Block, Codes, Scales, Values};

/// Lines of the parts of a panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    codes: Codes,
    groups: usize,
    /// Lines of scales and minima in front of `span` blocks.
    scales: usize,
    span: usize,
    /// Lines in front of `blocks` blocks.
    head: usize,
    blocks: usize,
}

impl Layout {
    /// The layout of a type, if it is one that there are kernels for.
    pub(super) fn of(codes: Codes) -> Option<Self> {
        if !matches!(codes.bits, 2..=6 | 8) {
            return None;
        }
        let groups: usize = match codes.group {
            BLOCK => 1,
            16 => 2,
            _ => return None,
        };
        let kinds = if codes.has_min { 2 } else { 1 };
        let (span, head, blocks) = match codes.scales {
            Scales::Half | Scales::Bf16 => (1, 0, 1),
            Scales::Super { .. } => (SEGMENT, kinds, SEGMENT * SEGMENTS),
        };
        Some(Self { codes, groups, scales: groups * kinds, span, head, blocks })
    }

    /// Columns come in multiples of this.
    pub(super) fn columns(&self) -> usize {
        BLOCK * self.blocks
    }

    /// Lines of the panels' parts of `columns` columns.
    pub(super) fn lines(&self, columns: usize) -> usize {
        let segment = self.scales + self.span * self.code_lines();
        columns / self.columns() * (self.head + self.blocks / self.span * segment)
    }

    fn code_lines(&self) -> usize {
        PANEL * BLOCK * self.codes.bits as usize / 128
    }

    /// The line of the head of a block, of its scales, and of its codes.
    fn places(&self, block: usize) -> (usize, usize, usize) {
        let head = self.lines(block / self.blocks * self.columns());
        let segment = self.scales + self.span * self.code_lines();
        let scales = head + self.head + block % self.blocks / self.span * segment;
        (head, scales, scales + self.scales + block % self.span * self.code_lines())
    }

    /// Writes 32 columns, part `part` of `rows`, one for each lane, as block `block` of a panel.
    pub(super) fn put(&self, panel: &mut [Line], block: usize, rows: &[Block; PANEL], part: usize) {
        let (head, scales, codes) = self.places(block);
        self.put_scales(&mut panel[head..codes], scales - head, block, rows, part);
        let lines = &mut panel[codes..codes + self.code_lines()];
        // INVARIANT: a block has MAX_BLOCK codes, a multiple of 32, and `part` is below that
        let codes = rows.each_ref().map(|row| &row.codes.as_chunks::<BLOCK>().0[part]);
        match self.codes.bits {
            2 => put::<2>(lines, codes),
            3 => put::<3>(lines, codes),
            4 => put::<4>(lines, codes),
            5 => put::<5>(lines, codes),
            6 => put::<6>(lines, codes),
            _ => put::<8>(lines, codes),
        }
    }

    /// The scales and minima of a block; `lines` are from the head of its 256 columns on, `first` is the first of its segment.
    fn put_scales(&self, lines: &mut [Line], first: usize, block: usize, rows: &[Block; PANEL], part: usize) {
        if let Scales::Super { .. } = self.codes.scales {
            put16(&mut lines[0], |lane| half(rows[lane].d));
            if self.codes.has_min {
                put16(&mut lines[1], |lane| half(-rows[lane].d_min));
            }
        }
        for group in 0..self.groups {
            let i = part * self.groups + group;
            let scales = &mut lines[first..];
            match self.codes.scales {
                Scales::Half => put16(&mut scales[group], |lane| half(rows[lane].scales[i])),
                Scales::Bf16 => put16(&mut scales[group], |lane| (rows[lane].scales[i].to_bits() >> 16) as u16),
                Scales::Super { .. } => {
                    self.put_bytes(scales, (block, group), |lane| rows[lane].group_scales[i].cast_unsigned());
                }
            }
            if !self.codes.has_min {
                continue;
            }
            let mins = &mut lines[first + self.groups..];
            match self.codes.scales {
                Scales::Half | Scales::Bf16 => put16(&mut mins[group], |lane| half(rows[lane].mins[i])),
                Scales::Super { .. } => self.put_bytes(mins, (block, group), |lane| rows[lane].group_mins[i]),
            }
        }
    }

    /// out (32) = the weights of a block, dequantised by the same operations as `quant::dequantize`.
    pub(super) fn get(&self, panel: &[Line], lane: usize, block: usize, out: &mut [f32]) {
        let (head, scales, codes) = self.places(block);
        let lines = &panel[codes..codes + self.code_lines()];
        let codes = get(self.codes.bits as usize, lines, lane);
        let byte = |first: usize, group: usize| self.read_byte(&panel[first..], lane, block, group);
        let columns = BLOCK / self.groups;
        for (group, (out, codes)) in out.chunks_exact_mut(columns).zip(codes.chunks_exact(columns)).enumerate() {
            let min_line = scales + self.groups;
            let (scale, min) = match self.codes.scales {
                Scales::Half => {
                    (get16(&panel[scales + group], lane), self.least(|| get16(&panel[min_line + group], lane)))
                }
                Scales::Bf16 => (crate::quant::bf16_to_f32(bits16(&panel[scales + group], lane)), 0.0),
                Scales::Super { shift } => {
                    let d = get16(&panel[head], lane) * (1.0 / (1u32 << shift) as f32);
                    let min = || get16(&panel[head + 1], lane) * f32::from(byte(min_line, group));
                    (d * f32::from(byte(scales, group).cast_signed()), self.least(min))
                }
            };
            for (out, &code) in out.iter_mut().zip(codes) {
                let value = self.codes.values.of(code) as f32;
                *out = if self.codes.has_min { scale * value + min } else { scale * value };
            }
        }
    }

    fn least(&self, min: impl FnOnce() -> f32) -> f32 {
        if self.codes.has_min { min() } else { 0.0 }
    }

    /// Writes the bytes of a group of a block in the scales or minima of its segment.
    fn put_bytes(&self, lines: &mut [Line], (block, group): (usize, usize), of: impl Fn(usize) -> u8) {
        let at = block % self.span * self.groups + group;
        for (lane, byte) in lines[at / 2].0[at % 2 * PANEL..][..PANEL].iter_mut().enumerate() {
            *byte = of(lane);
        }
    }

    fn read_byte(&self, lines: &[Line], lane: usize, block: usize, group: usize) -> u8 {
        let at = block % self.span * self.groups + group;
        lines[at / 2].0[at % 2 * PANEL + lane]
    }

    /// Whether codes index a table.
    pub(super) fn has_table(&self) -> bool {
        matches!(self.codes.values, Values::Table(_))
    }
}

/// The bits of a half; exact, since the values were halves in the file: the exponent's bias is mended by a multiplication,
/// which also makes subnormals of those that are.
fn half(value: f32) -> u16 {
    const BIAS: f32 = f32::from_bits((127 - 112) << 23); // 2^-112
    if !value.is_finite() {
        return half::f16::from_f32(value).to_bits();
    }
    let bits = (value * BIAS).to_bits();
    (bits >> 13 & 0x7fff | bits >> 16 & 0x8000) as u16
}

/// Writes 16 bits of each lane.
fn put16(line: &mut Line, of: impl Fn(usize) -> u16) {
    for (lane, bytes) in line.0.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *bytes = of(lane).to_le_bytes();
    }
}

fn bits16(line: &Line, lane: usize) -> u16 {
    u16::from_le_bytes([line.0[2 * lane], line.0[2 * lane + 1]])
}

fn get16(line: &Line, lane: usize) -> f32 {
    crate::quant::f16_to_f32(bits16(line, lane))
}
