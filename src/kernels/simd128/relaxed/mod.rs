//! Matrices of integer codes on engines with relaxed SIMD: products with activations of 8 bits.
//!
//! A weight, less nothing or plus a zero point, is the unsigned operand of `relaxed_dot_i8x16_i7x16`, whose result is the
//! same on all engines while that operand has 7 bits; the zero point is taken off through the sums of the activations. Of
//! weights that need 8 bits the two halves are multiplied for themselves by several rows; for one row the magnitudes of its
//! activations are that operand. Products are added in 16 bits for as long as these hold them ([`rule::Rule`]), then in 32,
//! exactly; each group's scale is applied where the file's type has it. Rows are accumulated in the same order alone and in a
//! batch.
//!
//! A panel is 8 rows, stored in the order in which [`gemv`] reads it: [`layout`], [`scales`], [`formats`].

/// Runs a block for each of at most 8 constants, as straight-line code: what a constant decides is decided when it is compiled,
/// however large the block is.
macro_rules! unrolled {
    ($i:ident in 0..$count:expr => $block:block) => {
        unrolled!(@ $i, $count, $block, 0, 1, 2, 3, 4, 5, 6, 7)
    };
    (@ $i:ident, $count:expr, $block:block, $($at:literal),*) => {
        $({
            const AT: usize = $at;
            let $i = AT;
            if $i < $count $block
        })*
    };
}

mod accumulation;
mod activation;
mod formats;
mod gemm;
mod gemv;
mod layout;
mod rule;
mod scales;
#[doc(hidden)] // for tests
pub mod twin;

use super::lanes::{Line, store};
use super::{BLOCK, MAX_ROWS, PANEL, Sums, fill, pairs, panels, put_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::pool::Pool;
use crate::kernels::cpu::{Output, zeroed};
use crate::quant::{Block, Codes, Form, Scales, TensorType};
use accumulation::{Accumulate, Long, Short};
pub use accumulation::{Accumulation, accumulation, set_accumulation, supported};
pub use activation::Quantized;
use activation::WIDE;
use formats::{Bytes, Format, Plain, Table};
use gemm::Unpacked;
use gemv::Pair;
use layout::Layout;
use rule::Rule;
use scales::{Bf16, Eight, Half, Multiples, Own, Super};
use std::ops::Range;

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

/// What a product is asked for.
struct Wanted<'a, 'b> {
    n: usize,
    x: &'a Quantized,
    panels: Range<usize>,
    out: &'a mut Output<'b>,
}

impl Matrix {
    pub(super) fn new(ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        let Form::Codes(codes) = ty.form else { return Err(unfit(ty, cols)) };
        let layout = Layout::of(codes).ok_or_else(|| unfit(ty, cols))?;
        if !cols.is_multiple_of(layout.columns()) || !cols.is_multiple_of(ty.block_len) || cols == 0 {
            return Err(unfit(ty, cols));
        }
        let lines = rows.div_ceil(PANEL) as u64 * layout.lines(cols) as u64;
        Ok(Self { ty, codes, layout, rows, cols, lines: zeroed(lines, "weights")? })
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lines.len() * size_of::<Line>()) as u64
    }

    pub(super) fn write_rows(&mut self, first_row: usize, bytes: &[u8], pool: &Pool) -> Result<()> {
        let row_bytes = self.cols / self.ty.block_len * self.ty.block_bytes;
        let range = panels(first_row, bytes.len() / row_bytes, self.rows)?;
        let panel_lines = self.layout.lines(self.cols);
        let to = &mut self.lines[range.start * panel_lines..range.end * panel_lines];
        let (ty, layout) = (self.ty, self.layout);
        fill(to, panel_lines, (bytes, row_bytes), pool, &|panel, rows| pack(ty, layout, panel, (rows, row_bytes)));
        Ok(())
    }

    /// out (cols) = row `r`, dequantised.
    pub(super) fn row(&self, r: usize, out: &mut [f32]) {
        let panel = self.panel(r / PANEL);
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            self.layout.get(panel, r % PANEL, block, out);
        }
    }

    fn panel(&self, p: usize) -> &[Line] {
        let panel_lines = self.layout.lines(self.cols);
        &self.lines[p * panel_lines..(p + 1) * panel_lines]
    }

    /// Quantises x (n, cols) as `matmul` wants it.
    pub(super) fn prepare(&self, n: usize, x: &[f32], input: &mut Quantized, pool: &Pool) {
        match self.codes.scales {
            Scales::Half | Scales::Bf16 => input.narrow(n, x, pool),
            Scales::Super { .. } => input.wide(n, x, pool),
        }
    }

    /// out (n, rows) = x (n, cols) @ Wᵀ, for the rows of `panels`.
    pub(super) fn matmul(&self, n: usize, x: &Quantized, panels: Range<usize>, out: &mut Output<'_>) {
        let wanted = Wanted { n, x, panels, out };
        let Codes { bits, group, has_min, scales, .. } = self.codes;
        let groups = BLOCK / group;
        let is_super = matches!(scales, Scales::Super { .. });
        let depth = rule::depth(self.codes);
        match (is_super, bits, self.layout.has_table(), groups, has_min, depth) {
            (false, 2, ..) => self.own::<Plain<2>, Half<1, false>, 8>(wanted),
            (false, 4, false, _, false, _) => self.own::<Plain<4>, Half<1, false>, 8>(wanted),
            (false, 4, false, ..) => self.own::<Plain<4>, Half<1, true>, 8>(wanted),
            (false, 4, true, 2, ..) => self.own::<Table<4, false>, Half<2, false>, 4>(wanted),
            (false, 4, true, _, _, 4) => self.own::<Table<4, false>, Bf16, 4>(wanted),
            (false, 4, true, ..) => self.own::<Table<4, true>, Half<1, false>, 8>(wanted),
            (false, 5, _, _, false, _) => self.own::<Plain<5>, Half<1, false>, 4>(wanted),
            (false, 5, ..) => self.own::<Plain<5>, Half<1, true>, 4>(wanted),
            (false, ..) => self.own::<Bytes, Half<1, false>, 8>(wanted),
            (true, 2, _, 2, ..) => self.multiples::<Plain<2>, Super<2, true>, 4>(wanted),
            (true, 2, ..) => self.multiples::<Plain<2>, Super<1, false>, 8>(wanted),
            (true, 3, false, ..) => self.multiples::<Plain<3>, Super<2, false>, 4>(wanted),
            (true, 3, true, 2, _, 4) => self.multiples::<Table<3, false>, Super<2, false>, 4>(wanted),
            (true, 3, true, 2, ..) => self.multiples::<Table<3, false>, Super<2, false>, 1>(wanted),
            (true, 3, true, _, _, 4) => self.multiples::<Table<3, false>, Super<1, false>, 4>(wanted),
            (true, 3, true, ..) => self.multiples::<Table<3, false>, Super<1, false>, 1>(wanted),
            (true, 4, false, ..) => self.multiples::<Plain<4>, Super<1, true>, 8>(wanted),
            (true, 4, true, _, _, 1) => self.multiples::<Table<4, false>, Super<1, false>, 1>(wanted),
            (true, 4, true, _, _, 4) => self.multiples::<Table<4, false>, Super<1, false>, 4>(wanted),
            (true, 4, true, ..) => self.multiples::<Table<4, true>, Super<1, false>, 8>(wanted),
            (true, 5, ..) => self.multiples::<Plain<5>, Super<1, true>, 4>(wanted),
            (true, ..) => self.multiples::<Plain<6>, Super<2, false>, 2>(wanted),
        }
    }
}

impl Matrix {
    /// Products of a type with scales of its own.
    fn own<C: Format, S: Own, const DEPTH: usize>(&self, wanted: Wanted<'_, '_>) {
        debug_assert!(DEPTH <= rule::depth(self.codes));
        match accumulation() {
            Accumulation::Short => self.run_own::<C, S, Short, DEPTH>(wanted),
            Accumulation::LongSigned if C::SPLIT => self.run_own::<C, S, Long<true>, DEPTH>(wanted),
            _ => self.run_own::<C, S, Long<false>, DEPTH>(wanted),
        }
    }

    fn run_own<C: Format, S: Own, A: Accumulate, const DEPTH: usize>(&self, wanted: Wanted<'_, '_>) {
        let Wanted { n, x, panels, out } = wanted;
        let rule = Rule::of(self.codes, A::SIGNED);
        if n == 1 {
            self.in_pairs(panels, out, |pair| gemv::own::<C, S, A, DEPTH>(pair, &x.narrow, &rule));
            return;
        }
        let blocks = self.cols / BLOCK;
        let mut unpacked = Unpacked::default();
        let mut sums: Sums = [0.0; MAX_ROWS * PANEL];
        let sums = &mut sums[..n * PANEL];
        for p in panels {
            sums.fill(0.0);
            let parts = self.panel(p).chunks(gemm::BLOCKS * self.layout.lines(BLOCK));
            for (i, part) in parts.enumerate() {
                unpacked.fill_own::<C, S, A>(part, &rule);
                let some = gemm::BLOCKS.min(blocks - i * gemm::BLOCKS);
                gemm::own::<C, S, A, DEPTH>(&unpacked, some, &x.narrow, (i * gemm::BLOCKS, blocks), sums);
            }
            put_rows(sums, p, self.rows, out);
        }
    }

    /// Products of a type whose scales are multiples.
    fn multiples<C: Format, S: Multiples, const DEPTH: usize>(&self, wanted: Wanted<'_, '_>) {
        debug_assert!(DEPTH <= rule::depth(self.codes));
        match accumulation() {
            Accumulation::Short => self.run_multiples::<C, S, Short, DEPTH>(wanted),
            Accumulation::LongSigned if C::SPLIT => self.run_multiples::<C, S, Long<true>, DEPTH>(wanted),
            _ => self.run_multiples::<C, S, Long<false>, DEPTH>(wanted),
        }
    }

    fn run_multiples<C: Format, S: Multiples, A: Accumulate, const DEPTH: usize>(&self, wanted: Wanted<'_, '_>) {
        const MOST: usize = gemm::BLOCKS * BLOCK / WIDE;
        let Wanted { n, x, panels, out } = wanted;
        let rule = Rule::of(self.codes, A::SIGNED);
        if n == 1 {
            self.in_pairs(panels, out, |pair| gemv::multiples::<C, S, A, DEPTH>(pair, &x.wide, &rule));
            return;
        }
        let blocks = self.cols / WIDE;
        let mut unpacked = Unpacked::default();
        let mut sums: Sums = [0.0; MAX_ROWS * PANEL];
        let sums = &mut sums[..n * PANEL];
        for p in panels {
            sums.fill(0.0);
            let parts = self.panel(p).chunks(MOST * self.layout.lines(WIDE));
            for (i, part) in parts.enumerate() {
                unpacked.fill_multiples::<C, S, A>(part, &rule);
                let some = MOST.min(blocks - i * MOST);
                gemm::multiples::<C, S, A, DEPTH>(&unpacked, some, &x.wide, (i * MOST, blocks), sums);
            }
            put_rows(sums, p, self.rows, out);
        }
    }
}

impl Matrix {
    /// Stores what `product` gives for two panels at a time, far from each other.
    fn in_pairs(&self, panels: Range<usize>, out: &mut Output<'_>, product: impl Fn(Pair<&[Line]>) -> Pair<Eight>) {
        for [first, second] in pairs(panels) {
            let sums = product([self.panel(first), self.panel(second)]);
            put_eight(sums[0], first, self.rows, out);
            put_eight(sums[1], second, self.rows, out);
        }
    }
}

/// Packs up to eight rows as a panel.
fn pack(ty: TensorType, layout: Layout, panel: &mut [Line], (bytes, row_bytes): (&[u8], usize)) {
    let mut rows: [Block; PANEL] = std::array::from_fn(|_| Block::default());
    let parts = ty.block_len / BLOCK;
    for b in 0..row_bytes / ty.block_bytes {
        for (row, bytes) in rows.iter_mut().zip(bytes.chunks_exact(row_bytes)) {
            (ty.unpack)(&bytes[b * ty.block_bytes..][..ty.block_bytes], row);
        }
        for part in 0..parts {
            layout.put(panel, b * parts + part, &rows, part);
        }
    }
}

/// Stores the results of one row of activations.
#[inline(always)]
fn put_eight(sums: Eight, panel: usize, rows: usize, out: &mut Output<'_>) {
    let mut eight = [0.0; PANEL];
    store(&mut eight, 0, sums[0]);
    store(&mut eight, 4, sums[1]);
    put_rows(&eight, panel, rows, out);
}

fn unfit(ty: TensorType, cols: usize) -> Error {
    Error::new(ErrorKind::Internal, format!("no SIMD128 packing for {} with {cols} columns", ty.name))
}
