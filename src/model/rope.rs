//! Rotary angles: their base, their scaling, and the table that all backends read.

use super::keys::{Keys, invalid, unsupported};
use crate::error::Result;

/// Positions are never more than this (see [`super::Config`]).
const MAX_CONTEXT: u64 = super::config::MAX_CONTEXT;

/// The angles of one rotary embedding (Su et al. 2021, arXiv 2104.09864).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// How many leading elements of a head rotate; even.
    pub dims: usize,
    /// Base of the frequencies.
    pub base: f64,
    /// Positions are divided by this (linear scaling); 1 for none.
    pub divisor: f64,
    /// Frequencies that are not divided, or not fully.
    pub yarn: Option<Yarn>,
    /// Multiplies cosines and sines, so that scores are scaled by its square.
    pub magnitude: f64,
}

/// Which frequencies keep their angles (YaRN, Peng et al. 2023, arXiv 2309.00071).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// Pairs up to this index turn often enough to be left alone.
    pub low: f64,
    /// Pairs from this index on are divided; in between it is a mixture.
    pub high: f64,
    /// How much of the undivided angle is mixed in: 1, or 0 for none.
    pub mix: f64,
}

/// Divisors of the frequencies that come as tensors.
#[derive(Debug, Default)]
pub struct Factors {
    /// `rope_freqs.weight` (llama 3).
    pub always: Option<Vec<f32>>,
    /// `rope_factors_long.weight`: for contexts above the original one (LongRoPE, Ding et al. 2024, arXiv 2402.13753).
    pub long: Option<Vec<f32>>,
    /// `rope_factors_short.weight`: for the others.
    pub short: Option<Vec<f32>>,
}

impl Factors {
    /// Those for a context of `context` when the model was first trained for `original`, as llama.cpp chooses them: by what
    /// the context has room for, so that they do not change in the middle of a text.
    pub(super) fn choose(&self, context: usize, original: usize) -> Result<Option<&[f32]>> {
        if let Some(all) = &self.always {
            return Ok(Some(all));
        }
        let (wanted, other, name) = if context > original {
            (&self.long, &self.short, "rope_factors_long.weight")
        } else {
            (&self.short, &self.long, "rope_factors_short.weight")
        };
        match wanted {
            None if other.is_some() => Err(invalid(format!("a context of {context} needs {name}, which is missing"))),
            chosen => Ok(chosen.as_deref()),
        }
    }
}

impl Rotary {
    /// The embedding of layers without a window.
    pub(super) fn read(keys: &Keys<'_>, dims: usize, original_context: usize) -> Result<Self> {
        let base = keys.positive("rope.freq_base")?.unwrap_or(10_000.0);
        let divisor = match keys.str("rope.scaling.type")? {
            Some("none") => 1.0,
            // no type means linear, and old files call the factor scale_linear
            None | Some("linear" | "yarn" | "longrope") => {
                let factor = keys.factor("rope.scaling.factor")?.or(keys.factor("rope.scale_linear")?).unwrap_or(1.0);
                if factor < 0.0 {
                    return Err(invalid(format!(
                        "{} is {factor}; it must be positive",
                        keys.key("rope.scaling.factor")
                    )));
                }
                factor
            }
            Some(other) => {
                let key = keys.key("rope.scaling.type");
                return Err(unsupported(format!("{key} is {other:?}; supported are none, linear, yarn and longrope")));
            }
        };
        let yarn = Yarn::read(keys, dims, base, original_context)?;
        let mut magnitude = keys.positive("rope.scaling.attn_factor")?.unwrap_or(1.0);
        if yarn.is_some() {
            let log = keys.factor("rope.scaling.yarn_log_multiplier")?;
            magnitude *= yarn_magnitude(divisor, 1.0) / log.map_or(1.0, |log| yarn_magnitude(divisor, log));
        }
        Ok(Self { dims, base, divisor, yarn, magnitude })
    }

    /// The angle that pair i gains from one position to the next: base^(-2i / dims) / factor, divided.
    fn frequency(&self, i: usize, factor: f64) -> f64 {
        let whole = self.base.powf(-2.0 * i as f64 / self.dims as f64) / factor;
        let share = self.yarn.map_or(0.0, |y| y.share(i));
        whole / self.divisor * (1.0 - share) + whole * share
    }

    /// The (context, dims / 2, 2) table of cosines and sines for positions 0 .. `context`. Computed in f64, rounded once, so
    /// that every backend rotates by the same numbers whatever its sine is worth.
    ///
    /// # Errors
    /// `InvalidModel` if `factors` are not `dims / 2` positive numbers; `OutOfMemory`.
    pub fn table(&self, context: usize, factors: Option<&[f32]>) -> Result<Vec<f32>> {
        let half = self.dims / 2;
        if let Some(f) = factors
            && (f.len() != half || f.iter().any(|f| !(f.is_finite() && *f > 0.0)))
        {
            return Err(invalid(format!("{} rope factors are there; {half} positive ones are needed", f.len())));
        }
        let frequency = |i: usize| self.frequency(i, f64::from(factors.map_or(1.0, |f| f[i])));
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let mut table = crate::kernels::cpu::zeroed(context as u64 * self.dims as u64, "the rope table")?;
        for (p, row) in table.chunks_exact_mut(self.dims).enumerate() {
            for (pair, f) in row.as_chunks_mut::<2>().0.iter_mut().zip(&frequencies) {
                let (sin, cos) = (p as f64 * f).sin_cos();
                *pair = [(cos * self.magnitude) as f32, (sin * self.magnitude) as f32];
            }
        }
        Ok(table)
    }
}

/// 1 + 0.1 * by * ln(divisor): what YaRN multiplies cosines and sines with.
fn yarn_magnitude(divisor: f64, by: f64) -> f64 {
    if divisor <= 1.0 { 1.0 } else { 1.0 + 0.1 * by * divisor.ln() }
}

impl Yarn {
    fn read(keys: &Keys<'_>, dims: usize, base: f64, original_context: usize) -> Result<Option<Self>> {
        let is_yarn = keys.str("rope.scaling.type")? == Some("yarn");
        // a negative one means that the type decides
        let mix = keys.number("rope.scaling.yarn_ext_factor")?.filter(|&v| v >= 0.0);
        let mix = mix.unwrap_or(if is_yarn { 1.0 } else { 0.0 });
        if mix == 0.0 {
            return Ok(None);
        }
        if base <= 1.0 {
            return Err(invalid(format!("{} is {base}; YaRN needs more than 1", keys.key("rope.freq_base"))));
        }
        let fast = keys.positive("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0);
        let slow = keys.positive("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0);
        // the pair that turns so often within the original context
        let pair = |turns: f64| {
            let period = original_context as f64 / (turns * std::f64::consts::TAU);
            dims as f64 * period.ln() / (2.0 * base.ln())
        };
        let last = (dims - 1) as f64;
        Ok(Some(Self { low: pair(fast).floor().max(0.0), high: pair(slow).ceil().min(last), mix }))
    }

    /// How much of pair i's undivided angle remains.
    fn share(&self, i: usize) -> f64 {
        // the smallest distance is llama.cpp's
        let ramp = (i as f64 - self.low) / (self.high - self.low).max(0.001);
        self.mix * (1.0 - ramp.clamp(0.0, 1.0))
    }
}

/// The context that the model was trained for before its rotary scaling.
pub(super) fn original_context(keys: &Keys<'_>, context: usize) -> Result<usize> {
    Ok(keys.optional("rope.scaling.original_context_length", MAX_CONTEXT)?.unwrap_or(context))
}
