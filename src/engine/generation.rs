//! One generation: prefill block by block, then a token a step.

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Backend, Head};
use crate::sampling::{Sampled, Sampler, SamplingOptions, StopMatcher, TokenLogprob};
use crate::tokenizer::Detokenizer;

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// Tokens to generate at most; absent, as many as the context has room for.
    pub max_tokens: Option<usize>,
    /// Texts that end the generation and do not appear in it.
    pub stop: Vec<String>,
    /// Go on after an end-of-generation token.
    pub ignore_eos: bool,
}

/// What [`Engine::start`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of them were still in the cache.
    pub cached_tokens: usize,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An end-of-generation token or a stop string.
    Stop,
    /// `max_tokens` or the context's end.
    Length,
}

/// A generated token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEvent {
    /// The id.
    pub id: u32,
    /// The text that can be shown now; it may be empty, or belong to earlier tokens too.
    pub text: String,
    /// ln p of the token in the model's own distribution, if asked for.
    pub logprob: Option<f64>,
    /// The most likely tokens of that distribution, most likely first, if asked for.
    pub top_logprobs: Vec<TokenLogprob>,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A block of the prompt was evaluated.
    Prefill {
        /// Prompt tokens evaluated so far, cached ones included.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// A token was generated.
    Token(TokenEvent),
    /// The generation is over.
    Finish {
        /// Why.
        reason: Reason,
        /// Text that was held back, now to be shown.
        text: String,
    },
}

/// The state between steps.
pub(super) struct Generation {
    /// Tokens that are not evaluated yet: the rest of the prompt, or the token generated last.
    pending: Vec<u32>,
    prompt_tokens: usize,
    generated: usize,
    max_tokens: usize,
    ignore_eos: bool,
    sampler: Sampler,
    detokenizer: Detokenizer,
    stops: StopMatcher,
    /// Set by the step that found the end; the next one reports it.
    ended: Option<Reason>,
}

impl<B: Backend> Engine<B> {
    /// Begins a generation after `prompt`, ending any that is running. Keys and values of the longest prefix that is
    /// still cached are kept.
    ///
    /// # Errors
    /// `InvalidArgument` for options or tokens; `ContextOverflow` if the prompt leaves no room for a token.
    pub fn start(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Started> {
        self.session.check(prompt)?;
        let room = self.info.context_length - prompt.len();
        if room == 0 {
            let (len, context) = (prompt.len(), self.info.context_length);
            let detail = format!(
                "a prompt of {len} tokens leaves no room in the context of {context}; shorten it or raise contextLength"
            );
            return Err(Error::new(ErrorKind::ContextOverflow, detail));
        }
        let mut sampler = Sampler::new(options.sampling, self.info.vocabulary_size)?;
        let stops = StopMatcher::new(&options.stop)?;
        for &id in prompt {
            sampler.accept(id)?;
        }
        let cached_tokens = self.session.rewind(prompt);
        self.generation = Some(Generation {
            pending: prompt[cached_tokens..].to_vec(),
            prompt_tokens: prompt.len(),
            generated: 0,
            max_tokens: options.max_tokens.unwrap_or(room).min(room),
            ignore_eos: options.ignore_eos,
            sampler,
            detokenizer: Detokenizer::new(false),
            stops,
            ended: None,
        });
        Ok(Started { prompt_tokens: prompt.len(), cached_tokens })
    }

    /// Does the next piece of work.
    ///
    /// # Errors
    /// `InvalidArgument` if nothing was started; `NotFinite`; those of the backend. An error ends the generation.
    pub async fn step(&mut self) -> Result<Event> {
        let Some(mut generation) = self.generation.take() else {
            return Err(Error::new(ErrorKind::InvalidArgument, "no generation is running; start one first"));
        };
        let event = self.advance(&mut generation).await?;
        if !matches!(event, Event::Finish { .. }) {
            self.generation = Some(generation);
        }
        Ok(event)
    }

    /// Ends the generation, if one is running, and gives the text that was held back.
    pub fn stop(&mut self) -> String {
        self.generation.take().map(|mut g| g.rest()).unwrap_or_default()
    }

    async fn advance(&mut self, g: &mut Generation) -> Result<Event> {
        if g.max_tokens == g.generated && g.ended.is_none() {
            g.ended = Some(Reason::Length);
        }
        if let Some(reason) = g.ended {
            return Ok(Event::Finish { reason, text: g.rest() });
        }
        let block = self.session.block();
        if g.pending.len() > block {
            let rest = g.pending.split_off(block);
            self.session.advance(&g.pending, Head::None)?;
            g.pending = rest;
            return Ok(Event::Prefill { done: self.session.past().len(), total: g.prompt_tokens });
        }
        let sampled = self.next_token(g).await?;
        if self.ends(g, sampled.id) {
            return Ok(Event::Finish { reason: Reason::Stop, text: g.rest() });
        }
        g.generated += 1;
        g.sampler.accept(sampled.id)?;
        g.pending = vec![sampled.id];
        let (text, stopped) = self.text_of(g, sampled.id)?;
        if stopped {
            g.ended = Some(Reason::Stop);
        }
        let (logprob, top_logprobs) = (sampled.logprob, sampled.top_logprobs);
        Ok(Event::Token(TokenEvent { id: sampled.id, text, logprob, top_logprobs }))
    }

    /// Whether the model ends its turn with this token.
    fn ends(&self, g: &Generation, id: u32) -> bool {
        !g.ignore_eos && self.tokenizer.as_ref().is_ok_and(|t| t.is_end_of_generation(id))
    }

    async fn next_token(&mut self, g: &mut Generation) -> Result<Sampled> {
        if g.sampler.is_plain_greedy() {
            self.session.advance(&g.pending, Head::Argmax)?;
            let id = self.session.argmax().await?;
            return Ok(Sampled { id, logprob: None, top_logprobs: Vec::new() });
        }
        self.session.advance(&g.pending, Head::Last)?;
        let mut logits = self.session.logits(1).await?;
        let sampled = g.sampler.sample(&mut logits);
        if sampled.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFinite) {
            self.session.forget(); // keys and values may be as bad as the logits
        }
        sampled
    }

    /// The text that a token lets out, and whether a stop string was completed.
    fn text_of(&self, g: &mut Generation, id: u32) -> Result<(String, bool)> {
        let Ok(tokenizer) = &self.tokenizer else { return Ok((String::new(), false)) }; // ids only; see `Info`
        // a model may have more embeddings than the tokenizer has tokens; those have no text
        if id as usize >= tokenizer.vocabulary_size() {
            return Ok((String::new(), false));
        }
        Ok(g.stops.push(&g.detokenizer.push(tokenizer, id)?))
    }
}

impl Generation {
    /// What was held back: an unfinished character, the start of a stop string.
    fn rest(&mut self) -> String {
        let tail = self.detokenizer.finish();
        let (mut text, stopped) = self.stops.push(&tail);
        if !stopped {
            text.push_str(&self.stops.finish());
        }
        text
    }
}
