//! Recorded passes: the dispatches of a [`PassKey`], made once and replayed.

use std::collections::VecDeque;
use std::rc::Rc;

use super::pace::DISPATCH_WORK;
use super::variants::{Kind, Overrides, Pipeline, Variant};
use super::{BEST_BYTES, Gpu, internal};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Backend, Head, PassKey, Step};

/// Recorded programs that are kept; a prompt's tail of any length makes a new one.
const MAX_PROGRAMS: usize = 16;
/// Parameters of a dispatch begin at a multiple of this (WebGPU's default alignment for uniform bindings).
const PARAMS_STRIDE: usize = 256;

/// A range of a buffer that a slot is bound to.
#[derive(Clone)]
pub(super) struct Range {
    buffer: wgpu::Buffer,
    offset: u64,
    bytes: u64,
}

impl Range {
    pub(super) fn whole(buffer: &wgpu::Buffer) -> Self {
        Self { buffer: buffer.clone(), offset: 0, bytes: buffer.size() }
    }

    pub(super) fn part(buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Self {
        Self { buffer: buffer.clone(), offset, bytes }
    }
}

/// A dispatch as an operation asks for it.
pub(super) struct Planned {
    variant: &'static Variant,
    overrides: Overrides,
    params: Vec<u8>,
    /// By the slots' names; parameters and step are added by the program.
    buffers: Vec<(&'static str, Range)>,
    grid: [u32; 3],
    /// What it does; see [`super::pace`].
    work: u64,
}

impl Planned {
    pub(super) fn new<P: bytemuck::Pod>(
        variant: &'static Variant,
        overrides: Overrides,
        params: P,
        buffers: Vec<(&'static str, Range)>,
        grid: [u32; 3],
    ) -> Self {
        Self { variant, overrides, params: bytemuck::bytes_of(&params).to_vec(), buffers, grid, work: DISPATCH_WORK }
    }
}

/// The pass that is being recorded.
#[derive(Default)]
pub(super) struct Recording {
    planned: Vec<Planned>,
    /// Tokens must be below this.
    vocabulary: Option<usize>,
    /// Positions must be below this.
    context: Option<usize>,
    /// Whether a token is found, to be copied for the host.
    finds_best: bool,
    /// Whether it is drawn.
    draws: bool,
    /// Bytes of weights that the dispatches read.
    weight_bytes: u64,
}

impl Recording {
    /// Notes that tokens index a table of `rows`.
    pub(super) fn limit_tokens(&mut self, rows: usize) {
        self.vocabulary = Some(self.vocabulary.map_or(rows, |v| v.min(rows)));
    }

    /// Notes that the last so many dispatches read so many bytes of weights, and multiply each byte with so many rows.
    pub(super) fn reads_weights(&mut self, dispatches: usize, bytes: u64, rows: usize) {
        self.weight_bytes += bytes;
        let first = self.planned.len().saturating_sub(dispatches);
        let each = bytes / dispatches.max(1) as u64 * rows as u64;
        self.planned[first..].iter_mut().for_each(|planned| planned.work += each);
    }

    /// Notes that the pass takes a random number.
    pub(super) fn draws(&mut self) {
        self.draws = true;
    }

    /// Notes that the pass finds a token.
    pub(super) fn leaves_best(&mut self) {
        self.finds_best = true;
    }

    /// Notes that positions index a table of `positions`.
    pub(super) fn limit_positions(&mut self, positions: usize) {
        self.context = Some(self.context.map_or(positions, |c| c.min(positions)));
    }
}

struct Dispatch {
    pipeline: Rc<Pipeline>,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

pub(super) struct Program {
    pub(super) rows: usize,
    dispatches: Vec<Dispatch>,
    /// Of each dispatch; see [`super::pace`].
    pub(super) work: Vec<u64>,
    /// The dispatches' parameters.
    params: wgpu::Buffer,
    weight_bytes: u64,
    vocabulary: Option<usize>,
    context: Option<usize>,
    finds_best: bool,
    draws: bool,
}

impl Program {
    pub(super) fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    pub(super) fn total_work(&self) -> u64 {
        self.work.iter().sum()
    }

    /// Refuses a step that would index past a table: on the GPU that would be silent.
    fn check(&self, step: Step<'_>) -> Result<()> {
        let end = step.position.saturating_add(step.tokens.len());
        if let Some(context) = self.context.filter(|&c| end > c) {
            let detail = format!("the step ends at position {end}; the context holds {context}");
            return Err(Error::new(ErrorKind::ContextOverflow, detail));
        }
        let bad = |vocabulary: usize| step.tokens.iter().find(|&&t| t as usize >= vocabulary);
        match self.vocabulary.and_then(|v| bad(v).map(|t| (v, t))) {
            None => Ok(()),
            Some((v, t)) => Err(Error::new(ErrorKind::InvalidArgument, format!("token {t} is not below {v}"))),
        }
    }
}

/// The most recent programs, the last used at the back.
#[derive(Default)]
pub(super) struct Programs(VecDeque<(PassKey, Rc<Program>)>);

impl Programs {
    fn get(&mut self, key: PassKey) -> Option<Rc<Program>> {
        let at = self.0.iter().position(|p| p.0 == key)?;
        let found = self.0.remove(at)?;
        let program = found.1.clone();
        self.0.push_back(found);
        Some(program)
    }

    /// Keeps a program; gives the one that had to go.
    fn put(&mut self, key: PassKey, program: Rc<Program>) -> Option<Rc<Program>> {
        let oldest = if self.0.len() == MAX_PROGRAMS { self.0.pop_front() } else { None };
        self.0.push_back((key, program));
        oldest.map(|(_, program)| program)
    }
}

impl Gpu {
    /// Adds a dispatch to the pass that is being recorded.
    pub(super) fn plan<P: bytemuck::Pod>(
        &mut self,
        variant: &'static Variant,
        params: P,
        buffers: Vec<(&'static str, Range)>,
        grid: [u32; 3],
    ) -> Result<()> {
        self.plan_with(variant, Overrides::new(), params, buffers, grid)
    }

    /// The same for a variant with overrides.
    pub(super) fn plan_with<P: bytemuck::Pod>(
        &mut self,
        variant: &'static Variant,
        overrides: Overrides,
        params: P,
        buffers: Vec<(&'static str, Range)>,
        grid: [u32; 3],
    ) -> Result<()> {
        self.plan_one(Planned::new(variant, overrides, params, buffers, grid))
    }

    pub(super) fn plan_one(&mut self, planned: Planned) -> Result<()> {
        let (grid, variant) = (planned.grid, planned.variant);
        let max = self.device.limits.max_compute_workgroups_per_dimension;
        if grid.iter().any(|&g| g == 0 || g > max) {
            return Err(internal(format!("{}: a grid of {grid:?} workgroups, at most {max} each", variant.name)));
        }
        self.recording()?.planned.push(planned);
        Ok(())
    }

    pub(super) fn recording(&mut self) -> Result<&mut Recording> {
        self.recording.as_mut().ok_or_else(|| internal("an operation outside a pass"))
    }

    pub(super) fn run_pass(
        &mut self,
        step: Step<'_>,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.prepare_pass(step, key, record)?;
        while self.submit_part()? {}
        self.device.check()
    }

    /// Makes the pass ready to be handed over; see [`Gpu::hand_over`].
    pub(super) fn prepare_pass(
        &mut self,
        step: Step<'_>,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.device.check()?;
        self.unfinished = None;
        self.before_step = self.counters;
        let (n, max) = (step.tokens.len(), self.device.options.max_rows);
        if n == 0 || n > max || n != key.rows {
            return Err(internal(format!("{n} tokens in a pass of {} rows, at most {max}", key.rows)));
        }
        let program = match self.programs.get(key) {
            Some(found) => found,
            None => self.record(key, record)?,
        };
        program.check(step)?;
        self.store_positions(step)?;
        self.forget_found();
        self.write_step(step)?;
        self.write_unit(program.draws)?;
        self.begin(program);
        Ok(())
    }

    /// The pass on the token that the one before it leaves in the step buffer: that is not written.
    pub(super) fn run_pass_on(
        &mut self,
        position: usize,
        key: PassKey,
        record: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.device.check()?;
        self.before_step = self.counters;
        let program = match self.programs.get(key) {
            Some(found) => found,
            None => self.record(key, record)?,
        };
        if key.rows != 1 || !program.finds_best {
            return Err(internal(format!("{key:?} does not go on by itself")));
        }
        // the token is not known, but it is an index of logits
        let step = Step { tokens: &[0], position };
        program.check(step)?;
        self.store_positions(step)?;
        let word = super::to_u32(position, "position")?;
        let buffer = self.step.clone();
        self.write(&buffer, 0, bytemuck::bytes_of(&word));
        self.write_unit(program.draws)?;
        self.submit(program)?;
        self.device.check()
    }

    /// Refuses a step that would see slots of a window which hold other positions, and one that no room was made for: on the GPU
    /// that would be silent.
    fn store_positions(&mut self, step: Step<'_>) -> Result<()> {
        let Some(cache) = &mut self.cache else { return Ok(()) };
        if !cache.holds(step.position) {
            let (position, written) = (step.position, cache.written);
            return Err(internal(format!("a pass at {position}, behind whose window {written} positions were stored")));
        }
        let (end, room) = (step.position + step.tokens.len(), cache.room());
        if end > room {
            return Err(internal(format!("a pass that ends at {end}; there is room for {room} positions")));
        }
        cache.stores(step.position, end);
        Ok(())
    }

    /// Drops all programs: what they are bound to is about to go.
    pub(super) fn forget_programs(&mut self) {
        self.unfinished = None;
        for (_, program) in std::mem::take(&mut self.programs).0 {
            self.device.destroy(&program.params);
        }
    }

    fn record(&mut self, key: PassKey, record: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Rc<Program>> {
        self.recording = Some(Recording::default());
        let outcome = record(self);
        let recording = self.recording.take().ok_or_else(|| internal("a pass inside a pass"))?;
        outcome?;
        let program = Rc::new(self.build(key.rows, recording)?);
        self.weigh(&program);
        if let Some(oldest) = self.programs.put(key, program.clone()) {
            self.device.destroy(&oldest.params);
        }
        self.counters.recorded += 1;
        Ok(program)
    }

    /// Begins to compile what passes are made of that find a token, likeliest or drawn, behind a block or a single row. No other number of
    /// rows has variants of its own.
    pub(super) fn compile_passes(
        &mut self,
        rehearse: &mut dyn FnMut(&mut Self, &[PassKey]) -> Result<()>,
    ) -> Result<()> {
        let drawn = if self.sampler.is_some() { Head::Sample } else { Head::Last };
        let block = PassKey { rows: self.device.options.max_rows, head: Head::Argmax };
        let vectors = self.vectors.len();
        self.recording = Some(Recording::default());
        let outcome = rehearse(self, &[block, PassKey { rows: 1, head: drawn }]);
        self.vectors.truncate(vectors);
        let recording = self.recording.take().ok_or_else(|| internal("a pass inside a pass"))?;
        outcome?;
        recording.planned.iter().try_for_each(|one| self.device.pipeline(one.variant, &one.overrides).map(drop))
    }

    /// Compiles what is missing, uploads all parameters in one buffer and makes the bind groups.
    fn build(&mut self, rows: usize, recording: Recording) -> Result<Program> {
        let mut arena = vec![0u8; recording.planned.len() * PARAMS_STRIDE];
        for (planned, slot) in recording.planned.iter().zip(arena.chunks_exact_mut(PARAMS_STRIDE)) {
            slot[..planned.params.len()].copy_from_slice(&planned.params);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params = self.device.create_buffer("params", arena.len() as u64, usage)?;
        self.write(&params, 0, &arena);
        let device = self.device.clone();
        let Recording { vocabulary, context, finds_best, draws, weight_bytes, .. } = recording;
        let work = recording.planned.iter().map(|planned| planned.work).collect();
        // one error scope for all of them: a browser makes a promise of each
        let dispatches = device.scoped(|_| self.build_dispatches(recording.planned, &params))??;
        Ok(Program { rows, dispatches, work, params, weight_bytes, vocabulary, context, finds_best, draws })
    }

    fn build_dispatches(&self, planned: Vec<Planned>, params: &wgpu::Buffer) -> Result<Vec<Dispatch>> {
        let build = |(i, mut planned): (usize, Planned)| {
            let range = Range::part(params, (i * PARAMS_STRIDE) as u64, planned.params.len() as u64);
            planned.buffers.push(("params", range));
            planned.buffers.push(("step_state", Range::whole(&self.step)));
            let pipeline = self.device.pipeline(planned.variant, &planned.overrides)?;
            let bind_group = self.bind(&planned, &pipeline)?;
            Ok(Dispatch { pipeline, bind_group, grid: planned.grid })
        };
        planned.into_iter().enumerate().map(build).collect()
    }

    /// Matches the shader's slots with buffers by name. A buffer that is written may be bound once only.
    fn bind(&self, planned: &Planned, pipeline: &Pipeline) -> Result<wgpu::BindGroup> {
        let variant = planned.variant;
        let mut entries = Vec::with_capacity(variant.slots.len());
        let mut bound: Vec<(&Range, Kind)> = Vec::with_capacity(variant.slots.len());
        for slot in variant.slots {
            let found = planned.buffers.iter().find(|b| b.0 == slot.name);
            let range = &found.ok_or_else(|| internal(format!("{} needs {}", variant.name, slot.name)))?.1;
            let clash = |b: &(&Range, Kind)| {
                b.0.buffer == range.buffer && (b.1 == Kind::ReadWrite || slot.kind == Kind::ReadWrite)
            };
            if bound.iter().any(clash) {
                return Err(internal(format!("{} writes {}, which it also reads", variant.name, slot.name)));
            }
            bound.push((range, slot.kind));
            entries.push(wgpu::BindGroupEntry {
                binding: slot.binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &range.buffer,
                    offset: range.offset,
                    size: wgpu::BufferSize::new(range.bytes),
                }),
            });
        }
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some(variant.name), layout: &pipeline.layout, entries: &entries };
        Ok(self.device.device.create_bind_group(&descriptor))
    }

    fn write_step(&mut self, step: Step<'_>) -> Result<()> {
        let position = super::to_u32(step.position, "position")?;
        let mut words = Vec::with_capacity(1 + step.tokens.len());
        words.push(position);
        words.extend_from_slice(step.tokens);
        let buffer = self.step.clone();
        self.write(&buffer, 0, bytemuck::cast_slice(&words));
        Ok(())
    }

    /// One command encoder, one compute pass, one submit of some of its dispatches. They see each other's writes in order, and those of
    /// submits before. What it finds is copied for the host with the last one.
    pub(super) fn submit_dispatches(&mut self, program: &Program, part: std::ops::Range<usize>) -> Result<()> {
        let is_last = part.end == program.dispatches.len();
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let mut current: Option<&Rc<Pipeline>> = None;
            for dispatch in &program.dispatches[part.clone()] {
                if !current.is_some_and(|p| Rc::ptr_eq(p, &dispatch.pipeline)) {
                    pass.set_pipeline(&dispatch.pipeline.compute);
                    current = Some(&dispatch.pipeline);
                }
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                let [x, y, z] = dispatch.grid;
                pass.dispatch_workgroups(x, y, z);
            }
        }
        let found = if program.finds_best && is_last { Some(self.found_buffer()?) } else { None };
        if let Some(found) = &found {
            encoder.copy_buffer_to_buffer(&self.best, 0, found, 0, BEST_BYTES);
        }
        self.device.queue.submit([encoder.finish()]);
        if let Some(found) = found {
            self.expect_found(found);
        }
        self.counters.passes += 1;
        self.counters.submits += 1;
        self.counters.dispatches += part.len() as u64;
        self.counters.weight_bytes += if is_last { program.weight_bytes } else { 0 };
        Ok(())
    }
}
