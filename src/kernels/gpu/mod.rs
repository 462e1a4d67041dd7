//! WGSL kernels over wgpu: WebGPU in a page, Vulkan natively.
//!
//! All shaders are in `shaders/` and are validated when the crate is built. Operations are recorded: a pass's list of
//! dispatches is made once a [`PassKey`] and replayed as one command encoder, one compute pass and one submit, or several where
//! the device is slow ([`pace`]); only the step buffer (position and tokens) is written in between.
//!
//! Rows of every activation are padded with zeros to a multiple of [`ROW_ALIGN`], so that kernels may read whole
//! blocks of 32; no operation writes anything but zero there.

mod attend;
mod counters;
mod device;
mod elements;
mod experts;
mod extensions;
mod findings;
mod footprint;
mod growth;
mod matmul;
mod memory;
mod ops;
mod pace;
mod packing;
mod program;
mod readback;
mod sample;
mod variants;
mod weights;

use std::rc::Rc;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{
    Activation as Gate, Attend, Attention, Backend, BufferId, CacheShape, Joint, KvType, MatrixId, PassKey, Rope,
    Sampling, Step, VectorId,
};
use crate::quant::TensorType;

pub use counters::Counters;
pub use device::{AdapterDescription, Device, Options, Pause, Tiling};
pub use extensions::{Extensions, Precision};
use findings::Findings;
pub use footprint::GpuFootprint;
use matmul::Narrowed;
use memory::{Activation, Cache, Vector};
use pace::{Pace, Unfinished};
use program::{Programs, Recording};
use sample::Sampler;
use weights::{Matrix, StackPlan};

/// Elements that a row of an activation is padded to: one block of weights.
const ROW_ALIGN: usize = 32;

/// Elements that a part of a row that several activations share is padded to: 256 bytes, WebGPU's default alignment of
/// bindings, and as many as a panel has rows.
const PART_ALIGN: usize = 64;

/// Bytes of what a pass finds: an index and the bits of a value.
const BEST_BYTES: u64 = 8;

/// The WGSL backend.
pub struct Gpu {
    device: Rc<Device>,
    matrices: Vec<Matrix>,
    vectors: Vec<Vector>,
    buffers: Vec<Activation>,
    cache: Option<Cache>,
    /// (position, tokens): see `shaders/shared/step.wgsl`.
    step: wgpu::Buffer,
    /// (index, value bits): see `shaders/argmax.wgsl` and `shaders/sample.wgsl`.
    best: wgpu::Buffer,
    sampler: Option<Sampler>,
    /// The number by which the next pass draws.
    unit: Option<f32>,
    /// Copies of `best` on their way to the host.
    found: Findings,
    recording: Option<Recording>,
    programs: Programs,
    /// The pass that is being handed over.
    unfinished: Option<Unfinished>,
    pace: Pace,
    /// Work of the heaviest dispatch of a block, for each of its rows; 0 as long as none is recorded.
    heaviest_row: u64,
    /// Work of a pass of one row.
    row_work: u64,
    /// Activations in few bits, the largest room for them last.
    narrowed: Vec<Narrowed>,
    /// What workgroups that share a context leave each other: see `shaders/attend.wgsl`.
    partials: Option<wgpu::Buffer>,
    staging: Option<wgpu::Buffer>,
    bytes: u64,
    counters: Counters,
    /// What they were when the latest pass began.
    before_step: Counters,
}

impl Gpu {
    /// Requests an adapter and a device, and makes an empty backend on it.
    ///
    /// # Errors
    /// [`ErrorKind::GpuUnavailable`] if there is no adapter, or none with WebGPU's default limits;
    /// [`ErrorKind::InvalidArgument`] for an option that cannot be honoured.
    pub async fn new(options: Options) -> Result<Self> {
        Self::on(Rc::new(Device::request(options).await?))
    }

    /// Makes an empty backend on a device that others use as well: compiled pipelines are shared.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] or [`ErrorKind::GpuFailure`].
    pub fn on(device: Rc<Device>) -> Result<Self> {
        let max_ahead = device.options.max_ahead;
        let step_bytes = 4 * (1 + device.options.max_rows as u64);
        let storage = wgpu::BufferUsages::STORAGE;
        let usage = storage | wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let step = device.create_buffer("step", step_bytes, usage)?;
        let best = device.create_buffer("best", BEST_BYTES, storage | wgpu::BufferUsages::COPY_SRC)?;
        Ok(Self {
            device,
            matrices: Vec::new(),
            vectors: Vec::new(),
            buffers: Vec::new(),
            cache: None,
            step,
            best,
            sampler: None,
            unit: None,
            found: Findings::new(max_ahead),
            recording: None,
            programs: Programs::default(),
            unfinished: None,
            pace: Pace::default(),
            heaviest_row: 0,
            row_work: 0,
            narrowed: Vec::new(),
            partials: None,
            staging: None,
            bytes: 0,
            counters: Counters::default(),
            before_step: Counters::default(),
        })
    }

    /// The device, to be shared with [`Gpu::on`].
    pub fn device(&self) -> &Rc<Device> {
        &self.device
    }

    /// What the adapter says of itself.
    pub fn adapter_info(&self) -> &AdapterDescription {
        &self.device.adapter
    }

    fn keep(&mut self, matrix: Matrix) -> MatrixId {
        self.bytes += matrix.bytes();
        self.matrices.push(matrix);
        MatrixId(self.matrices.len() - 1)
    }

    fn write(&mut self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) {
        self.device.queue.write_buffer(buffer, offset, bytes);
        self.counters.bytes_written += bytes.len() as u64;
    }
}

/// A page's garbage collector would let memory of the device wait.
impl Drop for Gpu {
    fn drop(&mut self) {
        self.forget_programs();
        self.forget_found();
        let own = [Some(&self.step), Some(&self.best), self.staging.as_ref()];
        let weights = self.matrices.iter().flat_map(Matrix::buffers);
        let vectors = self.vectors.iter().map(|v| &v.buffer).chain(self.buffers.iter().filter_map(Activation::owned));
        let cache = self.cache.iter().flat_map(Cache::buffers);
        let found = self.found.free.iter();
        let sampler = self.sampler.iter().flat_map(Sampler::buffers);
        let narrowed = self.narrowed.iter().flat_map(|n| &n.buffers).chain(&self.partials);
        weights
            .chain(vectors)
            .chain(cache)
            .chain(found)
            .chain(sampler)
            .chain(narrowed)
            .chain(own.into_iter().flatten())
            .for_each(|b| self.device.destroy(b));
    }
}

/// A bug of the caller.
fn internal(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, detail)
}

/// A count as a shader takes it.
fn to_u32(count: usize, what: &str) -> Result<u32> {
    u32::try_from(count).map_err(|_| {
        Error::new(ErrorKind::LimitExceeded, format!("{what} is {count}, above {}, the most a shader counts", u32::MAX))
    })
}

impl Backend for Gpu {
    const PANEL_ROWS: usize = weights::PANEL_ROWS;
    const KV_TYPES: &'static [KvType] = &[KvType::F16, KvType::F32, KvType::Q8_0];

    fn max_rows(&self) -> usize {
        self.device.options.max_rows
    }

    fn create_matrix(&mut self, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<MatrixId> {
        let matrix = Matrix::new(&self.device, label, ty, rows, cols)?;
        Ok(self.keep(matrix))
    }

    fn create_stack(&mut self, parts: &[(&str, TensorType, usize)], cols: usize) -> Result<Vec<MatrixId>> {
        let mut made = Vec::with_capacity(parts.len());
        while let Some(&(label, ty, rows)) = parts.get(made.len()) {
            let left = &parts[made.len()..];
            let shapes: Vec<_> = left.iter().map(|&(_, ty, rows)| (ty, rows)).collect();
            match StackPlan::new(label, &shapes, cols, self.device.options.chunk_bytes)? {
                Some(plan) => {
                    let matrices = Matrix::stack(&self.device, &plan, &left[..plan.parts()], cols)?;
                    made.extend(matrices.into_iter().map(|matrix| self.keep(matrix)));
                }
                None => made.push(self.create_matrix(label, ty, rows, cols)?),
            }
        }
        Ok(made)
    }

    fn create_experts(
        &mut self,
        label: &str,
        ty: TensorType,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<MatrixId> {
        let matrix = Matrix::experts(&self.device, label, ty, experts, rows, cols)?;
        Ok(self.keep(matrix))
    }

    fn write_rows(&mut self, matrix: MatrixId, first_row: usize, bytes: &[u8]) -> Result<()> {
        let matrix = self.matrices.get(matrix.0).ok_or_else(|| internal("no such matrix"))?;
        let written = matrix.write_rows(&self.device.queue, first_row, bytes)?;
        self.counters.bytes_written += written;
        self.device.check()
    }

    fn create_vector(&mut self, label: &str, values: &[f32]) -> Result<VectorId> {
        let vector = Vector::new(&self.device, label, values.len())?;
        self.write(&vector.buffer, 0, bytemuck::cast_slice(values));
        self.bytes += vector.buffer.size();
        self.vectors.push(vector);
        Ok(VectorId(self.vectors.len() - 1))
    }

    fn create_buffer(&mut self, label: &str, rows: usize, width: usize) -> Result<BufferId> {
        let activation = Activation::new(&self.device, label, rows, width)?;
        self.bytes += activation.buffer.size();
        self.buffers.push(activation);
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn create_buffers(&mut self, rows: usize, parts: &[(&str, usize)]) -> Result<Vec<BufferId>> {
        if let [(label, width)] = parts {
            return Ok(vec![self.create_buffer(label, rows, *width)?]);
        }
        let first = self.buffers.len();
        self.buffers.extend(Activation::side_by_side(&self.device, rows, parts)?);
        self.bytes += self.buffers.get(first).map_or(0, |a| a.buffer.size());
        Ok((first..self.buffers.len()).map(BufferId).collect())
    }

    fn create_cache(&mut self, context: usize, layers: &[CacheShape], kv: KvType) -> Result<()> {
        let kv = KvType::choose(Some(kv), Self::KV_TYPES)?;
        // recorded programs hold on to the old cache
        self.forget_programs();
        if let Some(old) = self.cache.take() {
            self.bytes -= old.bytes();
            old.buffers().for_each(|b| self.device.destroy(b));
        }
        let cache = Cache::new(&self.device, context, layers, kv)?;
        self.bytes += cache.bytes();
        self.cache = Some(cache);
        if let Some(old) = self.partials.take() {
            self.bytes -= old.size();
            self.device.destroy(&old);
        }
        if let Some(bytes) = attend::most_partials(&self.device.options, layers) {
            let made = self.device.create_buffer("attention's partials", bytes, wgpu::BufferUsages::STORAGE)?;
            self.bytes += made.size();
            self.partials = Some(made);
        }
        Ok(())
    }

    async fn reserve(&mut self, positions: usize) -> Result<()> {
        self.make_room(positions).await
    }

    fn rewind(&mut self, positions: usize) -> usize {
        if self.cache.as_ref().is_none_or(|cache| cache.holds(positions)) { positions } else { 0 }
    }

    fn create_sampler(&mut self, vocabulary: usize, context: usize) -> Result<()> {
        self.make_sampler(vocabulary, context)
    }

    fn allow(&mut self, words: &[u32]) -> Result<()> {
        self.write_allowed(words)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn flush(&mut self) -> Result<()> {
        self.counters.submits += 1;
        self.device.finish().await
    }

    fn warm(&mut self, rehearse: &mut dyn FnMut(&mut Self, &[PassKey]) -> Result<()>) -> Result<()> {
        self.compile_passes(rehearse)
    }

    fn stand_in(&mut self, len: usize) -> VectorId {
        // nothing is bound: any buffer will do
        self.vectors.push(Vector { buffer: self.best.clone(), len });
        VectorId(self.vectors.len() - 1)
    }

    fn compiling(&mut self) -> Result<usize> {
        self.device.compiling()
    }

    fn pass(&mut self, step: Step<'_>, key: PassKey, record: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.run_pass(step, key, record)
    }

    fn block_rows(&self) -> usize {
        self.paced_rows()
    }

    fn begin_pass(
        &mut self,
        step: Step<'_>,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.prepare_pass(step, key, record)
    }

    async fn go_on(&mut self) -> Result<bool> {
        self.hand_over().await
    }

    fn abandon_pass(&mut self) {
        self.unfinished = None;
    }

    fn rows_under_way(&self) -> usize {
        self.flying_rows()
    }

    fn begin_sampling(&mut self, how: &Sampling, tokens: &[u32]) -> Result<bool> {
        self.write_sampling(how, tokens)
    }

    fn set_unit(&mut self, unit: f32) {
        self.unit = Some(unit);
    }

    fn run_ahead(&self) -> usize {
        if self.is_slow() { self.found.ahead.min(1) } else { self.found.ahead }
    }

    fn pass_on(
        &mut self,
        position: usize,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.run_pass_on(position, key, record)
    }

    fn forget_found(&mut self) {
        for buffer in self.found.drain() {
            self.device.destroy(&buffer);
        }
    }

    fn embed(&mut self, n: usize, table: MatrixId, out: BufferId) -> Result<()> {
        self.record_embed(n, table, 1.0, out)
    }

    fn embed_scaled(&mut self, n: usize, table: MatrixId, factor: f32, out: BufferId) -> Result<()> {
        self.record_embed(n, table, factor, out)
    }

    fn rms_norm(
        &mut self,
        n: usize,
        x: BufferId,
        first: usize,
        weight: VectorId,
        eps: f32,
        out: BufferId,
    ) -> Result<()> {
        self.record_rms_norm(n, x, first, weight, eps, out)
    }

    fn norm_heads(&mut self, n: usize, x: BufferId, weight: VectorId, eps: f32) -> Result<()> {
        self.record_norm_heads(n, x, weight, eps)
    }

    fn matmul(&mut self, n: usize, w: MatrixId, x: BufferId, out: BufferId) -> Result<()> {
        self.record_matmuls(n, &[(w, out)], x)
    }

    fn matmuls(&mut self, n: usize, products: &[(MatrixId, BufferId)], x: BufferId) -> Result<()> {
        self.record_matmuls(n, products, x)
    }

    fn matmul_gated(
        &mut self,
        n: usize,
        pair: [MatrixId; 2],
        x: BufferId,
        activation: Gate,
        out: BufferId,
        spare: BufferId,
    ) -> Result<()> {
        self.record_matmul_gated(n, pair, x, activation, (out, spare))
    }

    fn rope(&mut self, n: usize, x: BufferId, heads: usize, head_dim: usize, rope: Rope) -> Result<()> {
        self.record_rope(n, x, heads, head_dim, rope)
    }

    fn store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        self.record_store_kv(n, layer, k, v)
    }

    fn attention(&mut self, n: usize, layer: usize, q: BufferId, a: Attention, out: BufferId) -> Result<()> {
        self.record_attention(n, layer, q, a, out)
    }

    fn attend(&mut self, n: usize, layer: usize, qkv: [BufferId; 3], a: Attend, out: BufferId) -> Result<()> {
        self.record_attend(n, layer, qkv, a, out)
    }

    fn gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Gate) -> Result<()> {
        self.record_gated(n, gate, up, activation)
    }

    fn add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()> {
        self.record_add(n, x, y)
    }

    fn add_bias(&mut self, n: usize, x: BufferId, bias: VectorId) -> Result<()> {
        self.record_add_bias(n, x, bias)
    }

    fn scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()> {
        self.record_scale(n, x, factor)
    }

    fn soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()> {
        self.record_soft_cap(n, x, cap)
    }

    fn short_conv(&mut self, n: usize, layer: usize, x: BufferId, taps: VectorId, out: BufferId) -> Result<()> {
        self.record_short_conv(n, layer, x, taps, out)
    }

    fn route(&mut self, n: usize, logits: BufferId, routes: BufferId) -> Result<()> {
        self.record_route(n, logits, routes)
    }

    fn matmul_experts(&mut self, n: usize, w: MatrixId, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        self.record_matmul_experts(n, w, x, routes, out)
    }

    fn mix_experts(&mut self, n: usize, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        self.record_mix_experts(n, x, routes, out)
    }

    fn add_norm(
        &mut self,
        n: usize,
        first: usize,
        x: BufferId,
        delta: BufferId,
        j: Joint,
        out: BufferId,
    ) -> Result<()> {
        self.record_add_norm(n, first, x, delta, j, out)
    }

    fn argmax(&mut self, x: BufferId) -> Result<()> {
        self.record_argmax(x)
    }

    fn sample(&mut self, n: usize, x: BufferId) -> Result<()> {
        self.record_sample(n, x)
    }

    async fn read(&mut self, x: BufferId, n: usize) -> Result<Vec<f32>> {
        self.read_rows(x, n).await
    }

    async fn read_found(&mut self) -> Result<(u32, f32)> {
        self.read_best().await
    }
}
