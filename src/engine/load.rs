//! From bytes to an [`Engine`].

use super::calibration::Work;
use super::fit::{Fits, Room};
use super::opening::Opening;
use super::quantisation::{main_type, quantisation};
use super::self_test::self_test;
use super::{Engine, part};
use crate::chat::{ChatTemplate, default_template};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, Metadata, TensorInfo};
use crate::kernels::footprint::Footprint;
use crate::kernels::{Backend, KvType};
use crate::model::{Config, Loader};
use crate::tokenizer::{Tokenizer, Vocabulary};
use serde::Serialize;

/// What the caller wants.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Positions to make room for; at most the context that the model was trained for.
    pub context: Option<usize>,
    /// How keys and values are cached, instead of the backend's own choice.
    pub kv: Option<KvType>,
    /// Replaces the file's chat template.
    pub chat_template: Option<String>,
}

/// What was loaded, as `model.info` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`, or empty.
    pub name: String,
    /// Weights in all.
    pub parameters: u64,
    /// What the file calls its mix of types, e.g. `"Q4_K_M"`, or else the type that holds most weights.
    pub quantisation: String,
    /// Positions there is room for.
    pub context_length: usize,
    /// Tokens.
    pub vocabulary_size: usize,
    /// Size of the file.
    pub bytes: u64,
    /// Why the tokenizer could not be built, if it could not.
    pub tokenizer_error: Option<String>,
    /// Where the chat template is from.
    pub chat_template: TemplateOrigin,
    /// What the chat template says about reasoning.
    pub reasoning: ReasoningMode,
}

/// Where a chat template is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateOrigin {
    /// [`LoadOptions::chat_template`].
    Option,
    /// The file.
    Model,
    /// [`default_template`], because there is no other.
    Default,
}

/// What a chat template says about the reasoning of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningMode {
    /// It knows of none.
    None,
    /// It names the tags around it.
    Always,
    /// It also looks at `enable_thinking`.
    Optional,
}

/// Takes a GGUF file as a stream. First [`Self::push`] until the header is complete, then [`Self::prepare`] with a
/// backend, then the rest, then [`Self::finish`]. Of a model in several files, [`Self::add_part`] takes the later ones'
/// headers before the first push, and the stream is all of them end to end.
pub struct EngineLoader<B: Backend> {
    opening: Opening,
    options: LoadOptions,
    loading: Option<Loading<B>>,
}

struct Loading<B: Backend> {
    weights: Loader<B>,
    tokenizer: Result<Tokenizer>,
    template: Result<ChatTemplate>,
    info: Info,
    kv: KvType,
}

impl<B: Backend> EngineLoader<B> {
    /// A loader for a file of `file_bytes` bytes, the first one if there are several.
    pub fn new(file_bytes: u64, options: LoadOptions) -> Self {
        Self { opening: Opening::new(file_bytes), options, loading: None }
    }

    /// Takes the first bytes of the next file of the model, which has `bytes` bytes; see [`crate::gguf::Parts::add`].
    ///
    /// # Errors
    /// Those of [`crate::gguf::Parts::add`].
    pub fn add_part(&mut self, prefix: &[u8], bytes: u64) -> Result<Option<u64>> {
        self.opening.add_part(prefix, bytes)
    }

    /// Takes the next bytes of the file. `true` exactly once: when the header is complete and `prepare` is due.
    ///
    /// # Errors
    /// Those of [`Opening::push`] and of the weights' loader.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool> {
        match &mut self.loading {
            None => self.opening.push(bytes),
            Some(loading) => loading.weights.push(bytes).map(|()| false),
        }
    }

    /// Checks that the model can be run at all; needs the header only.
    ///
    /// # Errors
    /// `Internal` before the header is complete; `UnsupportedArchitecture`, `InvalidModel`; `InvalidArgument` and
    /// `UnsupportedOption` for the options.
    pub fn check(&self) -> Result<(Config, usize, KvType)> {
        let (config, context) = self.opening.check(&self.options)?;
        Ok((config, context, KvType::choose(self.options.kv, B::KV_TYPES)?))
    }

    /// What each backend needs of a device with this `room`, and whether that fits; `cpu` counts for the CPU.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn fits(&self, room: Room, cpu: &mut impl Footprint) -> Result<Fits> {
        self.opening.fits(&self.options, room, cpu)
    }

    /// Computes some hundred numbers on `backend` with the model's types of weights, and compares them with the reference's. The
    /// backend is then of no more use. `limit`: how far a number may be off, as a fraction of the largest.
    ///
    /// # Errors
    /// `Internal` before the header is complete; `GpuFailure` if a number is wrong; those of the backend.
    pub async fn self_test(&self, backend: &mut B, limit: f32) -> Result<()> {
        let header = self.opening.header()?;
        let embedding = header.tensors.iter().find(|t| t.name == "token_embd.weight").map(|t| t.ty);
        match (embedding, main_type(header)) {
            (Some(embedding), Some(matrix)) => self_test(backend, embedding, matrix, limit).await,
            _ => Ok(()), // no model that can be loaded, which loading says better
        }
    }

    /// What is to be measured of a device for this model; `None` for one without matrices, which cannot be loaded.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn work(&self) -> Result<Option<Work>> {
        let (config, ..) = self.check()?;
        let hidden = config.experts.map_or(config.hidden, |e| e.hidden);
        Ok(main_type(self.opening.header()?).map(|ty| Work::new(ty, config.width, hidden)))
    }

    /// Starts uploading to `backend`.
    ///
    /// # Errors
    /// As [`Self::check`]; those of the backend.
    pub async fn prepare(&mut self, backend: B) -> Result<()> {
        let (config, context, kv) = self.check()?;
        let file_bytes = self.opening.file_bytes;
        let Some(header) = self.opening.header.take() else { return Ok(()) }; // INVARIANT: `check` has seen it
        let text = Text::of(&header.metadata, &config, &self.options);
        if self.options.chat_template.is_some() {
            part(&text.template)?; // the file's own may be bad and the model still useful; the caller's is a mistake
        }
        let info = text.describe(&header, &config, context, file_bytes)?;
        let Text { tokenizer, template, .. } = text;
        // what is no longer needed goes first: its memory is used again for the weights
        let mut held = std::mem::take(&mut self.opening.held);
        let position = (held.len() as u64).min(header.data_offset);
        held.drain(..position as usize);
        held.shrink_to_fit();
        let mut weights = Loader::new(backend, header, config, context, kv, position)?;
        weights.backend().flush().await?; // a device that refused the allocations says so now
        weights.warm()?;
        weights.push(&held)?;
        self.loading = Some(Loading { weights, tokenizer, template, info, kv });
        Ok(())
    }

    /// Waits for uploads, to bound what is in flight.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn flush(&mut self) -> Result<()> {
        match &mut self.loading {
            Some(loading) => loading.weights.backend().flush().await,
            None => Ok(()),
        }
    }

    /// How many shaders the backend is still compiling.
    ///
    /// # Errors
    /// Those of compiling them.
    pub fn compiling(&mut self) -> Result<usize> {
        self.loading.as_mut().map_or(Ok(0), |loading| loading.weights.backend().compiling())
    }

    /// The end of the file. Who is to hear of errors now waits until nothing is [`Self::compiling`].
    ///
    /// # Errors
    /// `InvalidGguf` if bytes are missing; those of the backend.
    pub async fn finish(self) -> Result<Engine<B>> {
        let Some(Loading { mut weights, tokenizer, template, info, kv }) = self.loading else {
            let (have, want) = (self.opening.held.len(), self.opening.file_bytes);
            let detail = format!("the file ended after {have} of {want} bytes, before its header was complete");
            return Err(Error::new(ErrorKind::InvalidGguf, detail));
        };
        weights.backend().flush().await?;
        Ok(Engine { session: weights.finish()?, tokenizer, template, info, kv, generation: None })
    }
}

fn fits(tokenizer: Tokenizer, vocabulary: usize) -> Result<Tokenizer> {
    if tokenizer.vocabulary_size() <= vocabulary {
        return Ok(tokenizer);
    }
    let detail = format!("the tokenizer has {} tokens, the embedding table {vocabulary}", tokenizer.vocabulary_size());
    Err(Error::new(ErrorKind::InvalidModel, detail))
}

/// What turns text into ids and messages into text.
pub(super) struct Text {
    pub(super) tokenizer: Result<Tokenizer>,
    pub(super) template: Result<ChatTemplate>,
    origin: TemplateOrigin,
}

impl Text {
    pub(super) fn of(metadata: &Metadata, config: &Config, options: &LoadOptions) -> Self {
        let vocabulary = Vocabulary::from_metadata(metadata);
        let tokenizer = vocabulary.and_then(Tokenizer::new).and_then(|t| fits(t, config.vocabulary));
        let replacement = options.chat_template.as_deref();
        let adds_bos = tokenizer.as_ref().is_ok_and(Tokenizer::adds_bos);
        let template = template(metadata, replacement, adds_bos);
        Self { tokenizer, template, origin: origin(metadata, replacement) }
    }

    pub(super) fn describe(&self, header: &Header, config: &Config, context: usize, bytes: u64) -> Result<Info> {
        Ok(Info {
            architecture: config.architecture.name.to_owned(),
            name: header.metadata.str("general.name")?.unwrap_or_default().to_owned(),
            parameters: header.tensors.iter().map(TensorInfo::len).sum(),
            quantisation: quantisation(header)?,
            context_length: context,
            vocabulary_size: config.vocabulary,
            bytes,
            tokenizer_error: self.tokenizer.as_ref().err().map(|e| e.to_string()),
            chat_template: self.origin,
            reasoning: self.template.as_ref().map_or(ReasoningMode::None, reasoning_mode),
        })
    }
}

fn reasoning_mode(template: &ChatTemplate) -> ReasoningMode {
    match template.tags() {
        None => ReasoningMode::None,
        Some(_) if template.uses("enable_thinking") => ReasoningMode::Optional,
        Some(_) => ReasoningMode::Always,
    }
}

fn origin(m: &Metadata, replacement: Option<&str>) -> TemplateOrigin {
    match (replacement, m.get("tokenizer.chat_template")) {
        (Some(_), _) => TemplateOrigin::Option,
        (None, Some(_)) => TemplateOrigin::Model,
        (None, None) => TemplateOrigin::Default,
    }
}

/// The caller's template, else the file's, else the one for its vocabulary. The latter writes the first token only if
/// the tokenizer would (`adds_bos`); the others know what they want.
fn template(m: &Metadata, replacement: Option<&str>, adds_bos: bool) -> Result<ChatTemplate> {
    let tokens = m.strings("tokenizer.ggml.tokens")?.unwrap_or_default();
    let text = |key: &str| -> Result<&str> {
        let id = m.u64(&format!("tokenizer.ggml.{key}_token_id"))?;
        Ok(id.and_then(|id| tokens.get(usize::try_from(id).ok()?)).map_or("", String::as_str))
    };
    if let Some(source) = replacement.map_or_else(|| m.str("tokenizer.chat_template"), |source| Ok(Some(source)))? {
        return ChatTemplate::new(source, text("bos")?, text("eos")?);
    }
    let source = default_template(|token| tokens.iter().any(|t| t == token));
    ChatTemplate::new(source, if adds_bos { text("bos")? } else { "" }, text("eos")?)
}
