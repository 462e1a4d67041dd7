//! Weight matrices: packed in panels of 64 rows, in chunks that one buffer can hold.
//!
//! A matrix has up to four planes: the weights (or the low bits of their codes), high bits of codes, scales, and what
//! scales of eight blocks are multiples of. A plane is (panels, blocks, vectors, 64) items, where a block is 32 weights
//! of a row: what one panel needs is one run of bytes, and neighbouring invocations, which own neighbouring rows, read
//! neighbouring items. A chunk is one buffer: its rows' part of each plane, one plane after another.
//!
//! Matrices that meet the same input may lie below each other in one chunk, for one dispatch: a plane then has the panels of
//! all. Two types may do so where a variant reads both (`MIXED` in `build.rs`).

use super::device::Device;
use super::internal;
use super::packing::{PLANES, Packer, PanelLayout};
use super::program::Range;
use super::variants::{Overrides, variants_of};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::{Codes, Form, Scales, TensorType, Values};

/// Rows a panel: `PANEL_ROWS` in `shaders/shared/block.wgsl`.
pub(super) const PANEL_ROWS: usize = 64;
/// Weights a block of the packed form, whatever the type's own block is.
pub(super) const BLOCK: usize = 32;
/// Offsets of bindings are multiples of this (WebGPU's default limit).
const BINDING_ALIGN: u64 = 256;

/// Rows of a matrix that are in one buffer.
pub(super) struct Chunk {
    buffer: wgpu::Buffer,
    /// Panels of other matrices in front of this one's.
    pub(super) first_panel: usize,
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// All that the buffer has, other matrices' panels included.
    planes: Vec<ChunkPlane>,
    /// Where this matrix's first panel is in each plane of its panels, in bytes.
    starts: Vec<u64>,
}

/// A plane of a chunk, in bytes.
#[derive(Clone)]
struct ChunkPlane {
    name: &'static str,
    at: u64,
    bytes: u64,
}

/// A packed matrix W (rows, cols).
pub(super) struct Matrix {
    pub(super) chunks: Vec<Chunk>,
    /// All rows; those of experts begin at whole panels.
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Rows of an expert; all rows if there is one matrix.
    pub(super) each: usize,
    /// The shaders' name of its format, or of both of its chunk.
    pub(super) format: String,
    /// What its pipelines are specialised with.
    pub(super) overrides: Overrides,
    ty: TensorType,
    panel: PanelLayout,
    panels_a_chunk: usize,
    /// Whether the buffer of a stack is another matrix's to give back.
    is_borrowed: bool,
}

/// The name that `build.rs` gives a form.
fn format_name(form: Form) -> String {
    match form {
        Form::F32 => "f32".to_owned(),
        Form::F16 => "f16".to_owned(),
        Form::Bf16 => "bf16".to_owned(),
        Form::Codes(Codes { bits, values, has_min, group, scales }) => {
            let table = if matches!(values, Values::Table(_)) { "_table" } else { "" };
            let scales = match scales {
                Scales::Half => "half",
                Scales::Bf16 => "bf",
                Scales::Super { .. } => "super",
            };
            format!("codes{bits}{table}_{scales}{group}{}", if has_min { "_min" } else { "" })
        }
    }
}

/// The name of a form whose panels lie in front of those of another, and what its pipelines are specialised with; `before` are
/// the blocks of the panels in front.
fn mixed(first: Form, second: Form, before: usize) -> (String, Overrides) {
    let mut overrides = overrides_of(first);
    overrides.push(("SECOND", before as f64));
    if let Form::Codes(Codes { values: Values::Linear(zero), .. }) = second {
        overrides.push(("SECOND_ZERO", zero.into()));
    }
    (format!("{}_{}", format_name(first), format_name(second)), overrides)
}

/// What a type's pipelines are specialised with.
fn overrides_of(form: Form) -> Overrides {
    let Form::Codes(codes) = form else { return Overrides::new() };
    let mut overrides = Overrides::new();
    match codes.values {
        Values::Linear(zero) => overrides.push(("ZERO", zero.into())),
        Values::Table(table) => {
            let words = table.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(b.map(|v| v as u8)));
            overrides.extend(["TABLE_0", "TABLE_1", "TABLE_2", "TABLE_3"].into_iter().zip(words.map(f64::from)));
        }
    }
    if let Scales::Super { shift } = codes.scales {
        overrides.push(("FACTOR", 1.0 / f64::from(1u32 << shift)));
    }
    overrides
}

impl Matrix {
    pub(super) fn new(device: &Device, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<Self> {
        Self::experts(device, label, ty, 1, rows, cols)
    }

    /// `experts` matrices (each, cols) below each other.
    pub(super) fn experts(
        device: &Device,
        label: &str,
        ty: TensorType,
        experts: usize,
        each: usize,
        cols: usize,
    ) -> Result<Self> {
        let plan = Plan::new(label, ty, experts, each, cols, device.options.chunk_bytes)?;
        let chunk = |(first_row, rows): (usize, usize)| {
            let (planes, bytes) = plan.chunk(rows);
            let starts = planes.iter().map(|plane| plane.at).collect();
            Ok(Chunk { buffer: weights_buffer(device, label, bytes)?, first_panel: 0, first_row, rows, planes, starts })
        };
        let chunks = plan.chunks().map(chunk).collect::<Result<_>>()?;
        let Plan { format, panel, rows, panels_a_chunk } = plan;
        let overrides = overrides_of(ty.form);
        Ok(Self { chunks, rows, cols, each, format, overrides, ty, panel, panels_a_chunk, is_borrowed: false })
    }

    /// Matrices (rows, cols) of these labels, types and rows below each other in one buffer, each at a whole panel; of the first
    /// `plan.parts()` of them.
    pub(super) fn stack(
        device: &Device,
        plan: &StackPlan,
        parts: &[(&str, TensorType, usize)],
        cols: usize,
    ) -> Result<Vec<Self>> {
        let labels: Vec<_> = parts.iter().map(|(label, ..)| *label).collect();
        let buffer = weights_buffer(device, &labels.join("|"), plan.bytes)?;
        let mut first_panel = 0;
        let part = |(&(_, ty, rows), (panel, starts)): (&(&str, TensorType, usize), &(PanelLayout, Vec<u64>))| {
            let (buffer, planes, starts) = (buffer.clone(), plan.planes.clone(), starts.clone());
            let chunk = Chunk { buffer, first_panel, first_row: 0, rows, planes, starts };
            let made = Self {
                chunks: vec![chunk],
                rows,
                cols,
                each: rows,
                format: plan.format.clone(),
                overrides: plan.overrides.clone(),
                ty,
                panel: panel.clone(),
                panels_a_chunk: usize::MAX,
                is_borrowed: first_panel > 0,
            };
            first_panel += rows.div_ceil(PANEL_ROWS);
            made
        };
        Ok(parts.iter().zip(&plan.parts).map(part).collect())
    }

    /// Whether `next` lies right behind this matrix in the same buffer.
    pub(super) fn is_followed_by(&self, next: &Self) -> bool {
        match (self.chunks.as_slice(), next.chunks.as_slice()) {
            ([a], [b]) => a.buffer == b.buffer && a.first_panel + self.panels() == b.first_panel,
            _ => false,
        }
    }

    /// Panels that its rows take.
    pub(super) fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL_ROWS)
    }

    /// Bytes that a product reads.
    pub(super) fn product_bytes(&self) -> u64 {
        self.panels() as u64 * self.panel.bytes()
    }

    /// Whether weights are codes with scales, so that there are products with narrow activations.
    pub(super) fn is_coded(&self) -> bool {
        matches!(self.ty.form, Form::Codes(_))
    }

    /// Blocks in a row.
    pub(super) fn blocks(&self) -> usize {
        self.panel.blocks
    }

    /// Bytes of its buffers; a stack's are those of its first matrix.
    pub(super) fn bytes(&self) -> u64 {
        self.buffers().map(wgpu::Buffer::size).sum()
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &wgpu::Buffer> {
        self.chunks.iter().filter(|_| !self.is_borrowed).map(|c| &c.buffer)
    }

    /// Bytes of `rows` rows in all planes.
    pub(super) fn row_bytes(&self, rows: u64) -> u64 {
        self.panel.bytes() / PANEL_ROWS as u64 * rows
    }

    /// Whether its panels are read as those of `other` are.
    pub(super) fn is_stored_as(&self, other: &Self) -> bool {
        self.ty.id == other.ty.id
    }

    /// Rows from one expert to the next.
    pub(super) fn expert_stride(&self) -> usize {
        self.each.next_multiple_of(PANEL_ROWS)
    }

    /// Packs whole rows from GGUF bytes, a panel at a time, and hands them to the queue. Returns bytes written. Experts'
    /// rows are counted without what pads them.
    pub(super) fn write_rows(&self, queue: &wgpu::Queue, first_row: usize, bytes: &[u8]) -> Result<u64> {
        let row_bytes = self.ty.bytes_of(self.cols as u64).and_then(|b| usize::try_from(b).ok()).unwrap_or(0);
        let whole = row_bytes != 0 && bytes.len().is_multiple_of(row_bytes);
        let rows = bytes.len().checked_div(row_bytes).unwrap_or(0);
        let first_row = first_row / self.each * self.expert_stride() + first_row % self.each;
        let last = first_row.checked_add(rows).filter(|&end| end <= self.rows);
        let Some(end) = last.filter(|_| whole && first_row.is_multiple_of(PANEL_ROWS)) else {
            let (have, ty) = (bytes.len(), self.ty.name);
            return Err(internal(format!("{have} bytes of {ty} are not rows from {first_row} of {}", self.rows)));
        };
        if end % self.expert_stride() != self.each && !end.is_multiple_of(PANEL_ROWS) {
            return Err(internal(format!("rows {first_row} to {end} of {} are not whole panels", self.rows)));
        }
        let mut packer = Packer::new(self.ty, &self.panel);
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
        for ((words, plane), start) in packed.planes.iter().zip(&self.panel.planes).zip(&chunk.starts) {
            queue.write_buffer(&chunk.buffer, start + at * plane.bytes(), bytemuck::cast_slice(words));
        }
        Ok(self.panel.bytes())
    }
}

fn weights_buffer(device: &Device, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
    device.create_buffer(label, bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)
}

impl Chunk {
    /// Its planes, by the names that the shaders give them.
    pub(super) fn bindings(&self) -> Vec<(&'static str, Range)> {
        let range = |plane: &ChunkPlane| (plane.name, Range::part(&self.buffer, plane.at, plane.bytes));
        self.planes.iter().map(range).collect()
    }
}

/// How a matrix is divided, before there are buffers for it.
pub(super) struct Plan {
    format: String,
    panel: PanelLayout,
    rows: usize,
    panels_a_chunk: usize,
}

impl Plan {
    /// For `experts` matrices (each, cols), in chunks of at most `chunk_bytes`.
    ///
    /// # Errors
    /// `UnsupportedType` if there is no kernel for the type.
    pub(super) fn new(
        label: &str,
        ty: TensorType,
        experts: usize,
        each: usize,
        cols: usize,
        chunk_bytes: u64,
    ) -> Result<Self> {
        let rows = if experts == 1 { Some(each) } else { experts.checked_mul(each.next_multiple_of(PANEL_ROWS)) };
        let rows = rows.ok_or_else(|| internal(format!("{label}: {experts} x {each} rows overflow")))?;
        let format = format_name(ty.form);
        if variants_of("matmul", &format).next().is_none() {
            let detail = format!("{label} is {}, which has no WebGPU kernel; use the CPU backend", ty.name);
            return Err(Error::new(ErrorKind::UnsupportedType, detail));
        }
        if rows == 0 || cols == 0 || !cols.is_multiple_of(ty.block_len) {
            return Err(internal(format!("{label}: ({rows}, {cols}) is not whole blocks of {}", ty.name)));
        }
        let panel = PanelLayout::new(ty.form, cols);
        // room for the planes' alignment
        let room = chunk_bytes.saturating_sub(BINDING_ALIGN * panel.planes.len() as u64);
        let panels_a_chunk = usize::try_from((room / panel.bytes()).max(1)).unwrap_or(usize::MAX);
        Ok(Self { format, panel, rows, panels_a_chunk })
    }

    /// First row and rows of each chunk.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.panels_a_chunk.saturating_mul(PANEL_ROWS);
        (0..self.rows).step_by(rows).map(move |first| (first, rows.min(self.rows - first)))
    }

    /// The planes of a chunk of `rows`, and its length in bytes.
    fn chunk(&self, rows: usize) -> (Vec<ChunkPlane>, u64) {
        let (planes, _, bytes) = lay_out(&[(&self.panel, rows)]);
        (planes, bytes)
    }

    /// Bytes of a chunk of `rows`.
    pub(super) fn chunk_bytes(&self, rows: usize) -> u64 {
        self.chunk(rows).1
    }
}

/// The planes of one buffer that holds matrices of these panels and rows below each other, where each matrix's first panel is in
/// its planes, and the buffer's bytes.
fn lay_out(parts: &[(&PanelLayout, usize)]) -> (Vec<ChunkPlane>, Vec<Vec<u64>>, u64) {
    let (mut planes, mut end) = (Vec::new(), 0u64);
    let mut starts: Vec<Vec<u64>> = parts.iter().map(|(panel, _)| vec![0; panel.planes.len()]).collect();
    for name in PLANES {
        let at = end.next_multiple_of(BINDING_ALIGN);
        let mut next = at;
        for ((panel, rows), starts) in parts.iter().zip(&mut starts) {
            let Some(i) = panel.planes.iter().position(|plane| plane.name == *name) else { continue };
            starts[i] = next;
            next += rows.div_ceil(PANEL_ROWS) as u64 * panel.planes[i].bytes();
        }
        if next > at {
            planes.push(ChunkPlane { name, at, bytes: next - at });
            end = next;
        }
    }
    (planes, starts, end)
}

/// How matrices lie below each other in one buffer, before there is one.
pub(super) struct StackPlan {
    format: String,
    overrides: Overrides,
    /// Each matrix's panels, and where its first one is in their planes.
    parts: Vec<(PanelLayout, Vec<u64>)>,
    planes: Vec<ChunkPlane>,
    pub(super) bytes: u64,
}

impl StackPlan {
    /// For the longest row of `parts` (types and rows), from the first on, that one dispatch can read; `None` for the first alone.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub(super) fn new(
        label: &str,
        parts: &[(TensorType, usize)],
        cols: usize,
        chunk_bytes: u64,
    ) -> Result<Option<Self>> {
        for count in (2..=parts.len()).rev() {
            if let Some(plan) = Self::of_all(label, &parts[..count], cols, chunk_bytes)? {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }

    fn of_all(label: &str, parts: &[(TensorType, usize)], cols: usize, chunk_bytes: u64) -> Result<Option<Self>> {
        let each = |&(ty, rows): &(TensorType, usize)| Ok(Plan::new(label, ty, 1, rows, cols, chunk_bytes)?.panel);
        let panels = parts.iter().map(each).collect::<Result<Vec<_>>>()?;
        let (first, last) = (parts[0].0, parts[parts.len() - 1].0);
        let in_front = parts.iter().take_while(|(ty, _)| ty.id == first.id).count();
        if parts[in_front..].iter().any(|(ty, _)| ty.id != last.id) {
            return Ok(None);
        }
        let (format, overrides) = if in_front == parts.len() {
            (format_name(first.form), overrides_of(first.form))
        } else {
            let before: usize = parts[..in_front].iter().map(|(_, rows)| rows.div_ceil(PANEL_ROWS)).sum();
            mixed(first.form, last.form, before * panels[0].blocks)
        };
        let (planes, starts, bytes) =
            lay_out(&panels.iter().zip(parts).map(|(panel, (_, rows))| (panel, *rows)).collect::<Vec<_>>());
        if bytes > chunk_bytes || variants_of("matmul", &format).next().is_none() {
            return Ok(None);
        }
        Ok(Some(Self { format, overrides, parts: panels.into_iter().zip(starts).collect(), planes, bytes }))
    }

    /// Matrices that it is for.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }
}
