//! Products with matrices, alone, in stacks and in pairs.

use super::device::Tiling;
use super::elements::activation_number;
use super::memory::Activation;
use super::ops::LANES;
use super::program::Planned;
use super::program::Range;
use super::variants::{Flavour, Variant, least_enough, params, variants_of};
use super::weights::{Matrix, PANEL_ROWS};
use super::{Gpu, ROW_ALIGN, internal, to_u32};
use crate::error::Result;
use crate::kernels::{Activation as Gate, Backend, BufferId, MatrixId};

/// Matrices below each other in one dispatch.
struct Product<'a> {
    first: &'a Matrix,
    /// Rows from the first matrix's first to the last one's last, with those that pad the matrices in between.
    rows: usize,
    /// Panels to the second matrix of a pair.
    up_panel: Option<usize>,
    out: &'a Activation,
}

/// What products read of activations.
struct Input {
    flavour: Flavour,
    /// Vectors of four from one row to the next; narrow ones have none.
    stride: u32,
    buffers: Vec<(&'static str, Range)>,
}

/// Buffers for narrow activations. Recorded passes may still be bound to smaller ones.
pub(super) struct Narrowed {
    /// Of a row, at most.
    blocks: usize,
    /// Values, scales.
    pub(super) buffers: [wgpu::Buffer; 2],
}

/// Bytes of [`Narrowed`]: halves, which int8 takes half of; four f32 a block.
pub(super) fn narrowed_bytes(rows: usize, blocks: usize) -> [u64; 2] {
    let all = rows as u64 * blocks as u64;
    [all * ROW_ALIGN as u64 * 2, all * 16]
}

impl Gpu {
    /// Matrices that follow each other in a stack, and whose outputs do in a row, are one dispatch.
    pub(super) fn record_matmuls(&mut self, n: usize, products: &[(MatrixId, BufferId)], x: BufferId) -> Result<()> {
        let mut left = products;
        while !left.is_empty() {
            let count = self.stacked(n, left)?;
            let (now, later) = left.split_at(count);
            self.record_stack(n, now, x)?;
            left = later;
        }
        Ok(())
    }

    /// How many of the products, from the first on, one dispatch can do.
    fn stacked(&self, n: usize, products: &[(MatrixId, BufferId)]) -> Result<usize> {
        let mut count = 1;
        for pair in products.windows(2) {
            let (before, after) = (self.matrix(pair[0].0)?, self.matrix(pair[1].0)?);
            let (left, right) = (self.activation(pair[0].1, n)?, self.activation(pair[1].1, n)?);
            let is_beside = left.buffer == right.buffer && left.offset + before.panels() * PANEL_ROWS == right.offset;
            if !before.is_followed_by(after) || !is_beside {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    fn record_stack(&mut self, n: usize, products: &[(MatrixId, BufferId)], x: BufferId) -> Result<()> {
        let (mut rows, mut read) = (0usize, 0);
        for &(w, out) in products {
            let matrix = self.matrix(w)?;
            self.activation_of(out, n, matrix.rows)?;
            rows = rows.next_multiple_of(PANEL_ROWS) + matrix.rows;
            read += matrix.product_bytes();
        }
        let &(first, out) = products.first().ok_or_else(|| internal("no product"))?;
        let input = self.record_input(n, first, x)?;
        let (first, out) = (self.matrix(first)?, self.activation(out, n)?);
        let planned = self.product(n, &input, &Product { first, rows, up_panel: None, out }, Gate::Identity)?;
        self.plan_products(planned, read, n)
    }

    pub(super) fn record_matmul_gated(
        &mut self,
        n: usize,
        [gate, up]: [MatrixId; 2],
        x: BufferId,
        activation: Gate,
        (out, spare): (BufferId, BufferId),
    ) -> Result<()> {
        let (first, second) = (self.matrix(gate)?, self.matrix(up)?);
        if !first.is_followed_by(second) || first.rows != second.rows || !first.is_stored_as(second) {
            self.matmul(n, gate, x, out)?;
            self.matmul(n, up, x, spare)?;
            return self.gated(n, out, spare, activation);
        }
        let read = first.product_bytes() + second.product_bytes();
        let input = self.record_input(n, gate, x)?;
        let first = self.matrix(gate)?;
        let out = self.activation_of(out, n, first.rows)?;
        let product = Product { first, rows: first.rows, up_panel: Some(first.panels()), out };
        let planned = self.product(n, &input, &product, activation)?;
        self.plan_products(planned, read, n)
    }

    fn plan_products(&mut self, planned: Vec<Planned>, read: u64, n: usize) -> Result<()> {
        let count = planned.len();
        planned.into_iter().try_for_each(|one| self.plan_one(one))?;
        self.recording()?.reads_weights(count, read, n);
        Ok(())
    }

    /// Activations as the products of their rows take them: several rows times codes are made narrow first, if that is the precision.
    fn record_input(&mut self, n: usize, w: MatrixId, x: BufferId) -> Result<Input> {
        let matrix = self.matrix(w)?;
        let (blocks, is_coded) = (matrix.blocks(), matrix.is_coded());
        let source = self.activation_of(x, n, matrix.cols)?;
        let (x, stride) = (source.range(), to_u32(source.stride / LANES, "stride")?);
        let flavour = self.device.precision().flavour();
        if n == 1 || !is_coded || flavour == Flavour::Core {
            return Ok(Input { flavour: Flavour::Core, stride, buffers: vec![("x", x)] });
        }
        let [values, scales] = self.narrowed(blocks)?;
        let params = params::Narrow { n: to_u32(n, "rows")?, x_stride: stride, blocks: to_u32(blocks, "blocks")? };
        let mut variants = variants_of("narrow", "");
        let variant = variants.find(|v| v.flavour == flavour).ok_or_else(|| internal("no variant of narrow"))?;
        let grid = self.grid((params.n * params.blocks).div_ceil(variant.workgroup[0]));
        let buffers = vec![("x", x), ("out", values.clone()), ("x_scales", scales.clone())];
        self.plan(variant, params, buffers, grid)?;
        Ok(Input { flavour, stride: 0, buffers: vec![("x", values), ("x_scales", scales)] })
    }

    /// Room for the rows of a pass of so many blocks each, in the wider of the two narrow forms, and for their scales.
    fn narrowed(&mut self, blocks: usize) -> Result<[Range; 2]> {
        if self.narrowed.last().is_none_or(|kept| kept.blocks < blocks) {
            let rows = self.device.options.max_rows;
            let usage = wgpu::BufferUsages::STORAGE;
            let [values, scales] = narrowed_bytes(rows, blocks);
            let values = self.device.create_buffer("narrow activations", values, usage)?;
            let scales = self.device.create_buffer("narrow activations' scales", scales, usage)?;
            self.bytes += values.size() + scales.size();
            self.narrowed.push(Narrowed { blocks, buffers: [values, scales] });
        }
        let kept = self.narrowed.last().ok_or_else(|| internal("no room for narrow activations"))?;
        Ok([Range::whole(&kept.buffers[0]), Range::whole(&kept.buffers[1])])
    }

    /// The dispatches of a product, one a chunk.
    fn product(&self, n: usize, input: &Input, p: &Product<'_>, activation: Gate) -> Result<Vec<Planned>> {
        let matrix = p.first;
        let variant = self.matmul_variant(n, &matrix.format, p.rows, p.up_panel.is_some(), input.flavour)?;
        let cols = variant.constant("COLS")?;
        let mut overrides = matrix.overrides.clone();
        if p.up_panel.is_some() {
            overrides.push(("ACTIVATION", activation_number(activation)));
        }
        let mut planned = Vec::new();
        let is_stack = p.rows != matrix.rows;
        for chunk in &matrix.chunks {
            let rows = if is_stack { p.rows } else { chunk.rows };
            let row_groups = to_u32(rows, "rows")?.div_ceil(variant.workgroup[0] * variant.constant("ROWS")?);
            let params = params::Matmul {
                n: to_u32(n, "rows")?,
                x_stride: input.stride,
                out_stride: to_u32(p.out.stride, "stride")?,
                blocks: to_u32(matrix.blocks(), "blocks")?,
                first_row: to_u32(chunk.first_row, "first row")?,
                rows: to_u32(rows, "rows")?,
                first_panel: to_u32(chunk.first_panel, "panels")?,
                up_panel: to_u32(p.up_panel.unwrap_or(0), "panels")?,
                row_groups,
            };
            let mut buffers = chunk.bindings();
            buffers.extend(input.buffers.iter().cloned());
            buffers.push(("out", p.out.range()));
            let [columns, lines, _] = self.grid(row_groups);
            let grid = [columns, lines, params.n.div_ceil(cols)];
            planned.push(Planned::new(variant, overrides.clone(), params, buffers, grid));
        }
        Ok(planned)
    }

    /// Of the variants of a tiling, the one with the fewest tokens an invocation that cover `n`, or else the most there
    /// are.
    fn matmul_variant(
        &self,
        n: usize,
        format: &str,
        rows: usize,
        is_pair: bool,
        flavour: Flavour,
    ) -> Result<&'static Variant> {
        let tiling = self.device.tiling(rows);
        let mut candidates = Vec::new();
        for candidate in variants_of("matmul", format) {
            let cols = candidate.constant("COLS")?;
            // only matrix-vector products come split
            let is_split = tiling == Tiling::Split && cols == 1;
            let is_large = tiling == Tiling::Large;
            if candidate.has("PAIR", 1) != is_pair || candidate.flavour != flavour {
                continue;
            }
            if candidate.has("SPLIT", 1) == is_split || candidate.has("ROWS", 1) == is_large {
                continue;
            }
            candidates.push((cols, candidate));
        }
        least_enough(to_u32(n, "rows")?, candidates).ok_or_else(|| internal("no variant of matmul"))
    }
}
