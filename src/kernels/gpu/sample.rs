//! Drawing a token on the device: what that keeps between passes, and its two dispatches.

use std::mem::offset_of;

use super::device::{Device, buffer_bytes};
use super::program::Range;
use super::variants::{params, variant};
use super::{Gpu, internal, to_u32};
use crate::error::Result;
use crate::kernels::footprint::Size;
use crate::kernels::{BufferId, Sampling};

/// Biases that there is room for; a generation with more samples on the host.
const MAX_BIASES: usize = 1024;
/// The longest window of penalties: the shader counts a token's occurrences in 16 bits.
const MAX_WINDOW: usize = (1 << 16) - 1;
/// Temperatures beyond would leave f32 when they are inverted; draws of one and the other are the same.
const TEMPERATURES: std::ops::RangeInclusive<f32> = 1e-30..=1e30;

/// Buffers of `shaders/sample_blocks.wgsl` and `shaders/sample.wgsl`.
pub(super) struct Sampler {
    vocabulary: usize,
    context: usize,
    /// (blocks, block)
    keys: wgpu::Buffer,
    /// (blocks, block, 2)
    masses: wgpu::Buffer,
    /// (context + 1): the token at each position, of those that the penalties' window may reach; passes add what they find.
    history: wgpu::Buffer,
    /// (MAX_BIASES, 2)
    biases: wgpu::Buffer,
    /// (vocabulary / 32, rounded up): a bit for each token that may be drawn
    allowed: wgpu::Buffer,
    /// `params::Sampling`
    options: wgpu::Buffer,
}

/// Bytes of these buffers in their order; `None` where a vocabulary has more blocks than a workgroup has invocations: of more
/// than 524,288 tokens, twice the largest one that is known.
fn bytes(vocabulary: usize, context: usize) -> Option<[u64; 6]> {
    let shader = variant("sample", "").ok()?;
    let block = shader.constant("BLOCK").ok()? as usize;
    let blocks = vocabulary.div_ceil(block);
    if blocks > shader.workgroup[0] as usize {
        return None;
    }
    let padded = (blocks * block) as u64;
    let words =
        [padded, 2 * padded, (context as u64).saturating_add(1), 2 * MAX_BIASES as u64, vocabulary.div_ceil(32) as u64];
    let [keys, masses, history, biases, allowed] = words.map(|words| words.saturating_mul(4));
    Some([keys, masses, history, biases, allowed, size_of::<params::Sampling>() as u64])
}

/// What [`Sampler::new`] makes.
pub(super) fn footprint(vocabulary: usize, context: usize) -> Size {
    bytes(vocabulary, context).into_iter().flatten().map(|bytes| Size::one(buffer_bytes(bytes))).sum()
}

impl Sampler {
    fn new(device: &Device, vocabulary: usize, context: usize) -> Result<Option<Self>> {
        let Some([keys, masses, history, biases, allowed, options]) = bytes(vocabulary, context) else {
            return Ok(None);
        };
        let storage = |label, bytes| {
            device.create_buffer(label, bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)
        };
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        Ok(Some(Self {
            vocabulary,
            context,
            keys: storage("sample.keys", keys)?,
            masses: storage("sample.masses", masses)?,
            history: storage("sample.history", history)?,
            biases: storage("sample.biases", biases)?,
            allowed: storage("sample.allowed", allowed)?,
            options: device.create_buffer("sample.options", options, uniform)?,
        }))
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &wgpu::Buffer> {
        [&self.keys, &self.masses, &self.history, &self.biases, &self.allowed, &self.options].into_iter()
    }
}

fn options(how: &Sampling) -> Result<params::Sampling> {
    let temperature = how.temperature.clamp(*TEMPERATURES.start(), *TEMPERATURES.end());
    Ok(params::Sampling {
        unit: 0.0,
        inverse_temperature: 1.0 / temperature,
        // exp(-100) is no number that f32 has
        lowest: -100.0 * temperature,
        top_k: to_u32(how.top_k, "top_k")?,
        top_p: how.top_p,
        // in f64, as on the host; of 0 it is a difference that no two logits have
        min_p: f64::from(how.min_p).ln().max(f64::from(f32::MIN)) as f32,
        repetition: how.repetition_penalty,
        presence: how.presence_penalty,
        frequency: how.frequency_penalty,
        window: to_u32(how.window, "window")?,
        biases: to_u32(how.biases.len(), "biases")?,
        constrained: how.constrained.into(),
    })
}

impl Gpu {
    pub(super) fn make_sampler(&mut self, vocabulary: usize, context: usize) -> Result<()> {
        // recorded programs hold on to the old one
        self.forget_programs();
        if let Some(old) = self.sampler.take() {
            old.buffers().for_each(|b| self.device.destroy(b));
            self.bytes -= footprint(old.vocabulary, old.context).total;
        }
        self.sampler = Sampler::new(&self.device, vocabulary, context)?;
        self.bytes += footprint(vocabulary, context).total;
        Ok(())
    }

    pub(super) fn write_sampling(&mut self, how: &Sampling, tokens: &[u32]) -> Result<bool> {
        let Some(sampler) = &self.sampler else { return Ok(false) };
        if how.biases.len() > MAX_BIASES.min(sampler.vocabulary.saturating_sub(1)) || how.window > MAX_WINDOW {
            return Ok(false);
        }
        if tokens.len() > sampler.context || how.biases.iter().any(|&(id, _)| id as usize >= sampler.vocabulary) {
            return Err(internal(format!("{} tokens before a token, or a bias outside the vocabulary", tokens.len())));
        }
        let [history, biases, uniform] = [&sampler.history, &sampler.biases, &sampler.options].map(Clone::clone);
        self.write(&uniform, 0, bytemuck::bytes_of(&options(how)?));
        let words: Vec<[u32; 2]> = how.biases.iter().map(|&(id, bias)| [id, bias.to_bits()]).collect();
        self.write(&biases, 0, bytemuck::cast_slice(&words));
        let first = tokens.len() - how.window.min(tokens.len());
        self.write(&history, 4 * first as u64, bytemuck::cast_slice(&tokens[first..]));
        Ok(true)
    }

    pub(super) fn write_allowed(&mut self, words: &[u32]) -> Result<()> {
        let sampler = self.sampler.as_ref().ok_or_else(|| internal("there is no sampler"))?;
        if words.len() != sampler.vocabulary.div_ceil(32) {
            let (words, vocabulary) = (words.len(), sampler.vocabulary);
            return Err(internal(format!("a mask of {words} words for a vocabulary of {vocabulary} tokens")));
        }
        let allowed = sampler.allowed.clone();
        self.write(&allowed, 0, bytemuck::cast_slice(words));
        Ok(())
    }

    /// Writes the number by which a pass draws, for a pass that does.
    pub(super) fn write_unit(&mut self, draws: bool) -> Result<()> {
        let unit = self.unit.take();
        if !draws {
            return Ok(());
        }
        let (Some(unit), Some(sampler)) = (unit, &self.sampler) else {
            return Err(internal("a draw without a random number"));
        };
        let uniform = sampler.options.clone();
        self.write(&uniform, offset_of!(params::Sampling, unit) as u64, bytemuck::bytes_of(&unit));
        Ok(())
    }

    pub(super) fn record_sample(&mut self, n: usize, x: BufferId) -> Result<()> {
        let sampler = self.sampler.as_ref().ok_or_else(|| internal("there is no sampler"))?;
        let (context, logits) = (sampler.context, self.activation_of(x, 1, sampler.vocabulary)?.range());
        let (width, n) = (to_u32(sampler.vocabulary, "vocabulary")?, to_u32(n, "rows")?);
        let common = [
            ("sampling", Range::whole(&sampler.options)),
            ("history", Range::whole(&sampler.history)),
            ("keys", Range::whole(&sampler.keys)),
            ("masses", Range::whole(&sampler.masses)),
            ("x", logits),
        ];
        let own = [("biases", Range::whole(&sampler.biases)), ("allowed", Range::whole(&sampler.allowed))];
        let of_blocks = common.iter().cloned().chain(own).collect();
        let of_all = common.iter().cloned().chain([("best", Range::whole(&self.best))]).collect();
        let blocks = variant("sample_blocks", "")?;
        let grid = [width.div_ceil(blocks.constant("BLOCK")?), 1, 1];
        self.plan(blocks, params::SampleBlocks { width, n }, of_blocks, grid)?;
        self.plan(variant("sample", "")?, params::Sample { width, n }, of_all, [1, 1, 1])?;
        let recording = self.recording()?;
        recording.limit_positions(context);
        recording.draws();
        recording.leaves_best();
        Ok(())
    }
}
