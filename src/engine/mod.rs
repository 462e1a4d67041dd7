//! A loaded model that talks: tokens, templates, and one generation at a time.
//!
//! A generation is driven from outside, one [`Engine::step`] after the other, so that a caller can stop it, report
//! progress and let other work run in between.

mod advice;
mod calibration;
mod constraint;
mod fit;
mod generation;
mod inspection;
mod load;
mod opening;
mod quantisation;
mod self_test;
mod vocabulary;

#[cfg(feature = "gpu")]
pub use calibration::{Calibrated, calibrate};
pub use calibration::{Work, cpu_speed};
pub use fit::{ALLOCATION_LIMIT, Bytes, Fit, Fits, HEAP_LIMIT, Limits, Room};
pub use generation::{Event, GenerateOptions, Reason, Started, TokenEvent};
pub use inspection::{Inspection, Inspector};
pub use load::{EngineLoader, Info, LoadOptions, ReasoningMode, TemplateOrigin};
pub use opening::{DEFAULT_CONTEXT, Opening};

use crate::chat::{ChatTemplate, RenderOptions};
use crate::error::{Error, Result};
use crate::kernels::{Backend, Head, KvType};
use crate::model::Session;
use crate::tokenizer::Tokenizer;
use generation::Generation;

/// A model, its tokenizer and its template on one backend.
pub struct Engine<B: Backend> {
    session: Session<B>,
    tokenizer: Result<Tokenizer>,
    template: Result<ChatTemplate>,
    info: Info,
    kv: KvType,
    generation: Option<Generation>,
}

/// The stored error, again: a part that could not be built fails whenever it is used.
fn part<T>(part: &Result<T>) -> Result<&T> {
    part.as_ref().map_err(|e| Error::new(e.kind(), e.detail()))
}

impl<B: Backend> Engine<B> {
    /// What was loaded.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// How keys and values are cached.
    pub fn kv_type(&self) -> KvType {
        self.kv
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        self.session.backend()
    }

    /// The model's blocks.
    pub fn layers(&self) -> usize {
        self.session.model().layers.len()
    }

    /// Bytes that the backend holds now.
    pub fn bytes(&self) -> u64 {
        self.session.backend().bytes()
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// `UnsupportedTokenizer` or `InvalidModel` if the file's could not be built; the model then works on ids only.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        part(&self.tokenizer)
    }

    /// Renders the model's chat template.
    ///
    /// # Errors
    /// `ChatTemplate` if it does not parse or refuses; `InvalidArgument` if it does not look at one of `options.extra`.
    pub fn apply_chat_template(&self, messages: &serde_json::Value, options: &RenderOptions) -> Result<String> {
        let template = part(&self.template)?;
        template.check_variables(&options.extra)?;
        template.render(messages, options)
    }

    /// Logits (vocabulary) of the token after `tokens`.
    ///
    /// # Errors
    /// `InvalidArgument` and `ContextOverflow` for the tokens; those of the backend.
    pub async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.generation = None;
        self.session.check(tokens)?;
        let cached = self.session.rewind(tokens);
        let mut rest = &tokens[cached..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.session.next_block(rest.len()));
            let head = if later.is_empty() { Head::Last } else { Head::None };
            self.session.advance(now, head).await?;
            rest = later;
        }
        self.session.logits(1).await
    }

    /// Log-probabilities (natural log) of tokens\[1..\], each given all before it.
    ///
    /// # Errors
    /// As [`Self::logits`]; `NotFinite`.
    pub async fn score(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.generation = None;
        self.session.score(tokens).await
    }
}
