//! What a caller can ask of sampling, and the limits of each option.

use crate::{Error, ErrorKind, Result};

/// The penalty window of [`SamplingOptions::default`], in tokens; llama.cpp's default `repeat_last_n`.
pub const DEFAULT_PENALTY_LAST_N: usize = 64;

/// The longest penalty window, in tokens: 2^20, above the context of every model that fits in a page.
pub const MAX_PENALTY_LAST_N: usize = 1 << 20;

/// How the next token is chosen. [`Default`] is plain greedy decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits; finite, >= 0. 0 is greedy: the most likely token that is left, the lowest id on a tie.
    pub temperature: f32,
    /// Keep this many of the most likely tokens; 0 is off, more than the vocabulary keeps all.
    pub top_k: usize,
    /// Keep the smallest set of most likely tokens whose probabilities reach this sum, 0 to 1 (at least one token
    /// is kept); 1 is off. Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019.
    pub top_p: f32,
    /// Keep tokens with at least this share of the largest probability, 0 to 1; 0 is off. Nguyen et al., "Turning
    /// Up the Heat: Min-p Sampling", 2024.
    pub min_p: f32,
    /// Divides positive logits and multiplies others of tokens in the window; finite, > 0; 1 is off. Keskar et al.,
    /// "CTRL", 2019, section 4.1, with the sign rule that made it usable for negative logits.
    pub repetition_penalty: f32,
    /// Subtracted once from the logit of each token in the window; finite; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from a logit for each time the token is in the window; finite; 0 is off.
    pub frequency_penalty: f32,
    /// The window of the three penalties: the last so many accepted tokens, prompt and generated alike, as in
    /// llama.cpp. 0 turns the penalties off. At most [`MAX_PENALTY_LAST_N`].
    pub penalty_last_n: usize,
    /// Determines every random choice: same seed, same logits, same text.
    pub seed: u64,
    /// Added to the logit of a token before anything else; finite, or negative infinity to ban the token. An id
    /// that is listed twice gets both.
    pub logit_bias: Vec<(u32, f32)>,
    /// Report log-probabilities of the model's own distribution: `None` none, `Some(n)` that of the chosen token
    /// and of the `n` most likely ones.
    pub top_logprobs: Option<usize>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            penalty_last_n: DEFAULT_PENALTY_LAST_N,
            seed: 0,
            logit_bias: Vec::new(),
            top_logprobs: None,
        }
    }
}

fn refuse(name: &str, value: impl std::fmt::Display, limit: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{name} is {value}; it must be {limit}"))
}

impl SamplingOptions {
    /// Checks every option against its limit, for a model with `vocabulary_size` tokens.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] with the option, its value and the limit.
    pub fn validate(&self, vocabulary_size: usize) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(refuse("temperature", self.temperature, "a finite number of at least 0"));
        }
        for (name, share) in [("top_p", self.top_p), ("min_p", self.min_p)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(refuse(name, share, "between 0 and 1"));
            }
        }
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0) {
            return Err(refuse("repetition_penalty", self.repetition_penalty, "a finite number above 0"));
        }
        for (name, penalty) in
            [("presence_penalty", self.presence_penalty), ("frequency_penalty", self.frequency_penalty)]
        {
            if !penalty.is_finite() {
                return Err(refuse(name, penalty, "a finite number"));
            }
        }
        if self.penalty_last_n > MAX_PENALTY_LAST_N {
            return Err(refuse("penalty_last_n", self.penalty_last_n, &format!("at most {MAX_PENALTY_LAST_N} tokens")));
        }
        if let Some(n) = self.top_logprobs.filter(|&n| n > vocabulary_size) {
            return Err(refuse("top_logprobs", n, &format!("at most the vocabulary of {vocabulary_size} tokens")));
        }
        self.validate_bias(vocabulary_size)
    }

    fn validate_bias(&self, vocabulary_size: usize) -> Result<()> {
        if self.logit_bias.len() > vocabulary_size {
            let limit = format!("at most the vocabulary of {vocabulary_size} tokens");
            return Err(refuse("the length of logit_bias", self.logit_bias.len(), &limit));
        }
        for &(id, bias) in &self.logit_bias {
            if id as usize >= vocabulary_size {
                return Err(refuse("a token id in logit_bias", id, &format!("below {vocabulary_size}")));
            }
            if bias.is_nan() || bias == f32::INFINITY {
                return Err(refuse(&format!("logit_bias of token {id}"), bias, "finite or negative infinity"));
            }
        }
        Ok(())
    }

    /// Whether any of the three penalties can change a logit.
    pub(super) fn has_penalties(&self) -> bool {
        self.penalty_last_n > 0
            && (self.repetition_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0)
    }
}
