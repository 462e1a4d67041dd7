//! Logits to the next token, and text to the place where it must stop.
//!
//! ```
//! use pagelm::sampling::{Sampler, SamplingOptions};
//!
//! let options = SamplingOptions { temperature: 0.7, top_k: 40, seed: 1, ..Default::default() };
//! let mut sampler = Sampler::new(options, 4)?;
//! let sampled = sampler.sample(&mut [0.1, 2.5, -1.0, 0.3])?;
//! sampler.accept(sampled.id);
//! # Ok::<(), pagelm::Error>(())
//! ```
//!
//! The chain, in llama.cpp's order: logit bias, penalties, what a grammar forbids, `top_k`, `top_p`, `min_p`, temperature, a random draw.
//! Probabilities for `top_p` and `min_p` are those before the temperature.

mod allowed;
mod logprobs;
mod options;
mod random;
mod stop;

use std::collections::{BTreeMap, VecDeque};

pub use allowed::Allowed;
pub use logprobs::{TokenLogprob, log_softmax, top_logprobs};
pub use options::{DEFAULT_PENALTY_LAST_N, MAX_PENALTY_LAST_N, SamplingOptions};
pub use random::SplitMix64;
pub use stop::{MAX_STOP_BYTES, MAX_STOPS, StopMatcher};

use crate::kernels::Sampling;
use crate::{Error, ErrorKind, Result};
use logprobs::{Normalizer, keep_top, largest};

/// The first guess at how many tokens `top_p` needs when `top_k` is off; grows eightfold when too small.
const NUCLEUS_GUESS: usize = 256;

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The token id.
    pub id: u32,
    /// ln p of the token in the model's own distribution, if [`SamplingOptions::top_logprobs`] asks for it.
    pub logprob: Option<f64>,
    /// The most likely tokens of that distribution, most likely first.
    pub top_logprobs: Vec<TokenLogprob>,
}

/// Chooses tokens: the options, the window of accepted tokens and the random numbers of one generation.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplingOptions,
    vocabulary_size: usize,
    random: SplitMix64,
    /// The last accepted tokens, oldest first, at most `penalty_last_n`.
    window: VecDeque<u32>,
    /// How often each token is in the window; never 0.
    counts: BTreeMap<u32, u32>,
    /// What the next token may be; `None` for any.
    allowed: Option<Allowed>,
}

impl Sampler {
    /// A sampler for a model with `vocabulary_size` tokens.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an option outside its limit, with the value and the limit.
    pub fn new(options: SamplingOptions, vocabulary_size: usize) -> Result<Self> {
        options.validate(vocabulary_size)?;
        let random = SplitMix64::new(options.seed);
        Ok(Self { options, vocabulary_size, random, window: VecDeque::new(), counts: BTreeMap::new(), allowed: None })
    }

    /// The options as they were given.
    pub fn options(&self) -> &SamplingOptions {
        &self.options
    }

    /// Whether the answer is always the index of the largest raw logit (the lowest on a tie), so that a backend can
    /// find it on the device and leave the logits there.
    pub fn is_plain_greedy(&self) -> bool {
        let options = &self.options;
        self.allowed.is_none()
            && (options.temperature == 0.0 || options.top_k == 1)
            && options.logit_bias.is_empty()
            && !options.has_penalties()
            && options.top_logprobs.is_none()
    }

    /// How a backend chooses the same tokens where the logits are, by the numbers of [`Self::unit`]; `None` if log-probabilities are
    /// asked for, which need the logits here.
    pub fn on_device(&self) -> Option<Sampling> {
        let options = &self.options;
        if options.top_logprobs.is_some() {
            return None;
        }
        let mut biases = BTreeMap::new();
        for &(id, bias) in &options.logit_bias {
            *biases.entry(id).or_insert(0.0) += bias as f64;
        }
        let is_greedy = options.temperature == 0.0;
        Some(Sampling {
            biases: biases.into_iter().map(|(id, bias)| (id, bounded(bias))).collect(),
            window: if options.has_penalties() { options.penalty_last_n } else { 0 },
            repetition_penalty: options.repetition_penalty,
            presence_penalty: options.presence_penalty,
            frequency_penalty: options.frequency_penalty,
            top_k: match options.top_k {
                _ if is_greedy => 1,
                k if k < self.vocabulary_size => k,
                _ => 0,
            },
            top_p: options.top_p,
            min_p: options.min_p,
            temperature: if is_greedy { 1.0 } else { options.temperature },
            constrained: self.allowed.is_some(),
        })
    }

    /// Has tokens chosen from these from now on, as if all others were banned; `None` for any.
    pub fn allow(&mut self, allowed: Option<Allowed>) {
        self.allowed = allowed;
    }

    /// The number that chooses the token `ahead` tokens after the next one.
    pub fn unit(&self, ahead: usize) -> f64 {
        let mut random = self.random.clone();
        random.skip(ahead as u64);
        random.next_unit()
    }

    /// Goes on to the next token's number: what [`Self::sample`] does by itself.
    pub fn skip(&mut self) {
        self.random.skip(1);
    }

    /// Records a token of the prompt or a generated one for the penalties.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if `id` is not below the vocabulary's size.
    pub fn accept(&mut self, id: u32) -> Result<()> {
        if id as usize >= self.vocabulary_size {
            let detail = format!("token id {id} is not below the vocabulary's size {}", self.vocabulary_size);
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
        if self.options.has_penalties() {
            if self.window.len() == self.options.penalty_last_n
                && let Some(oldest) = self.window.pop_front()
            {
                self.forget(oldest);
            }
            self.window.push_back(id);
            *self.counts.entry(id).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Takes a token that another sampler with these options chose in this place: draws what choosing took, and
    /// [`Self::accept`]s it.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn replay(&mut self, id: u32) -> Result<()> {
        self.skip(); // one a token, where numbers are drawn at all
        self.accept(id)
    }

    fn forget(&mut self, id: u32) {
        if let Some(count) = self.counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&id);
            }
        }
    }

    /// Chooses the next token from `logits` (vocabulary), which are left with bias, penalties and the mask applied. Does not
    /// [`Self::accept`] the token.
    ///
    /// # Errors
    /// [`ErrorKind::NotFinite`] with the index for NaN or positive infinity, or when every logit is negative
    /// infinity; [`ErrorKind::InvalidArgument`] if the length is not the vocabulary's size or what is
    /// allowed or not banned by `logit_bias` leaves no token.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<Sampled> {
        if logits.len() != self.vocabulary_size {
            let detail = format!("{} logits for a vocabulary of {} tokens", logits.len(), self.vocabulary_size);
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
        let mut max = largest(logits)?;
        // the model's own distribution, before anything is changed
        let report = match self.options.top_logprobs {
            Some(n) => {
                let normalizer = Normalizer::new(logits)?;
                Some((normalizer, normalizer.top(logits, n), logits.to_vec()))
            }
            None => None,
        };
        if self.apply_bias(logits) | self.apply_penalties(logits) | self.apply_mask(logits) {
            max = largest(logits).map_err(|e| {
                let detail = "logit_bias, or what a grammar allows, leaves no token to choose";
                Error::new(ErrorKind::InvalidArgument, detail).with_source(e)
            })?;
        }
        let id = if self.options.temperature == 0.0 { argmax(logits, max) } else { self.draw(logits, max) };
        let (logprob, top_logprobs) = match report {
            Some((normalizer, top, raw)) => (raw.get(id as usize).map(|&logit| normalizer.logprob(logit)), top),
            None => (None, Vec::new()),
        };
        Ok(Sampled { id, logprob, top_logprobs })
    }

    /// Adds the biases; whether there was one.
    fn apply_bias(&self, logits: &mut [f32]) -> bool {
        for &(id, bias) in &self.options.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = bounded(*logit as f64 + bias as f64);
            }
        }
        !self.options.logit_bias.is_empty()
    }

    /// Lowers the logits of the tokens in the window; whether there was one.
    fn apply_penalties(&self, logits: &mut [f32]) -> bool {
        let options = &self.options;
        for (&id, &count) in &self.counts {
            if let Some(logit) = logits.get_mut(id as usize) {
                let repetition = options.repetition_penalty as f64;
                let scaled = if *logit <= 0.0 { *logit as f64 * repetition } else { *logit as f64 / repetition };
                let flat = count as f64 * options.frequency_penalty as f64 + options.presence_penalty as f64;
                *logit = bounded(scaled - flat);
            }
        }
        !self.counts.is_empty()
    }

    /// Bans what is not allowed; whether there was a mask.
    fn apply_mask(&self, logits: &mut [f32]) -> bool {
        let Some(allowed) = &self.allowed else { return false };
        for (id, logit) in (0u32..).zip(logits) {
            if !allowed.contains(id) {
                *logit = f32::NEG_INFINITY;
            }
        }
        true
    }

    /// Truncates the candidates and draws one of them.
    fn draw(&mut self, logits: &[f32], max: f32) -> u32 {
        let mut candidates: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
        if self.options.top_k > 0 && self.options.top_k < candidates.len() {
            keep_top(&mut candidates, self.options.top_k);
        }
        if self.options.top_p < 1.0 {
            keep_nucleus(&mut candidates, max, self.options.top_p as f64);
        }
        if self.options.min_p > 0.0 {
            // p >= min_p * p_max, as logits
            let least = max as f64 + (self.options.min_p as f64).ln();
            candidates.retain(|&(_, logit)| logit as f64 >= least);
        }
        let temperature = self.options.temperature as f64;
        let weight = |logit: f32| ((logit as f64 - max as f64) / temperature).exp();
        let total: f64 = candidates.iter().map(|&(_, logit)| weight(logit)).sum();
        let mut left = self.random.next_unit() * total;
        let mut chosen = argmax(logits, max);
        for (id, logit) in candidates {
            let weight = weight(logit);
            if weight > 0.0 {
                chosen = id;
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
        }
        chosen
    }
}

/// A changed logit: finite arithmetic may not turn it into positive infinity.
fn bounded(logit: f64) -> f32 {
    logit.min(f32::MAX as f64) as f32
}

/// The lowest index of `max` in `logits`.
fn argmax(logits: &[f32], max: f32) -> u32 {
    (0u32..).zip(logits).find(|&(_, &logit)| logit == max).map_or(0, |(id, _)| id)
}

/// Keeps the smallest set of most likely candidates whose share of the whole reaches `top_p`, at least one, sorted.
///
/// Sorts a growing head of the candidates rather than all of them: a nucleus is rarely more than a few hundred.
fn keep_nucleus(candidates: &mut Vec<(u32, f32)>, max: f32, top_p: f64) {
    let weight = |logit: f32| (logit as f64 - max as f64).exp();
    let wanted = top_p * candidates.iter().map(|&(_, logit)| weight(logit)).sum::<f64>();
    let mut head = NUCLEUS_GUESS;
    loop {
        let complete = head >= candidates.len();
        let mut top = if complete { std::mem::take(candidates) } else { candidates.clone() };
        keep_top(&mut top, head);
        let mut sum = 0.0;
        let reached = top.iter().position(|&(_, logit)| {
            sum += weight(logit);
            sum >= wanted
        });
        if let Some(last) = reached {
            top.truncate(last + 1);
        }
        if complete || reached.is_some() {
            *candidates = top;
            return;
        }
        head *= 8;
    }
}

#[cfg(test)]
mod tests;
