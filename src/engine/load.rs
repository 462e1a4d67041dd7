//! From bytes to an [`Engine`].

use super::{Engine, part};
use crate::chat::{ChatTemplate, default_template};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, Metadata, Parsed, Parts};
use crate::kernels::Backend;
use crate::model::{Config, Loader};
use crate::tokenizer::{Tokenizer, Vocabulary};
use serde::Serialize;
use std::collections::HashMap;

/// Positions that are made room for unless the caller says otherwise, or the model's own limit if that is less.
pub const DEFAULT_CONTEXT: usize = 2048;

/// What the caller wants.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Positions to make room for; at most the context that the model was trained for.
    pub context: Option<usize>,
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
    /// The type that holds most weights, e.g. `"Q4_1"`.
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
    /// Of the first file until the header is complete, then of all.
    file_bytes: u64,
    parts: Parts,
    options: LoadOptions,
    /// Bytes that came before `prepare`.
    held: Vec<u8>,
    /// Parse again when this many bytes are there.
    parse_at: u64,
    header: Option<Header>,
    loading: Option<Loading<B>>,
}

struct Loading<B: Backend> {
    weights: Loader<B>,
    tokenizer: Result<Tokenizer>,
    template: Result<ChatTemplate>,
    info: Info,
}

impl<B: Backend> EngineLoader<B> {
    /// A loader for a file of `file_bytes` bytes, the first one if there are several.
    pub fn new(file_bytes: u64, options: LoadOptions) -> Self {
        let (parts, held) = (Parts::default(), Vec::new());
        Self { file_bytes, parts, options, held, parse_at: 0, header: None, loading: None }
    }

    /// Takes the first bytes of the next file of the model, which has `bytes` bytes; see [`Parts::add`].
    ///
    /// # Errors
    /// Those of [`Parts::add`].
    pub fn add_part(&mut self, prefix: &[u8], bytes: u64) -> Result<Option<u64>> {
        self.parts.add(prefix, bytes)
    }

    /// Takes the next bytes of the file. `true` exactly once: when the header is complete and `prepare` is due.
    ///
    /// # Errors
    /// Those of [`Header::parse`], of [`Parts::join`] and of the weights' loader.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool> {
        if let Some(loading) = &mut self.loading {
            loading.weights.push(bytes)?;
            return Ok(false);
        }
        self.held.extend_from_slice(bytes);
        let have = self.held.len() as u64;
        if self.header.is_some() || have < self.parse_at.min(self.file_bytes) {
            return Ok(false);
        }
        match Header::parse(&self.held, self.file_bytes)? {
            Parsed::Complete(header) => {
                let (header, bytes) = std::mem::take(&mut self.parts).join(header, self.file_bytes)?;
                (self.header, self.file_bytes) = (Some(header), bytes);
                Ok(true)
            }
            Parsed::NeedMore(bytes) => {
                // at least doubling keeps the work linear however small the pieces are
                self.parse_at = bytes.max(2 * have);
                Ok(false)
            }
        }
    }

    /// Checks that the model can be run at all; needs the header only.
    ///
    /// # Errors
    /// `Internal` before the header is complete; `UnsupportedArchitecture`, `InvalidModel`, `InvalidArgument`.
    pub fn check(&self) -> Result<(Config, usize)> {
        let header =
            self.header.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the header is not complete"))?;
        let config = Config::from_header(header)?;
        let context = match self.options.context {
            None => config.context.min(DEFAULT_CONTEXT),
            Some(wanted) if (1..=config.context).contains(&wanted) => wanted,
            Some(wanted) => {
                let detail = format!("contextLength is {wanted}; 1 to {} are allowed for this model", config.context);
                return Err(Error::new(ErrorKind::InvalidArgument, detail));
            }
        };
        Ok((config, context))
    }

    /// Starts uploading to `backend`.
    ///
    /// # Errors
    /// As [`Self::check`]; those of the backend.
    pub async fn prepare(&mut self, backend: B) -> Result<()> {
        let (config, context) = self.check()?;
        let Some(header) = self.header.take() else { return Ok(()) }; // INVARIANT: `check` has seen it
        let vocabulary = Vocabulary::from_metadata(&header.metadata);
        let tokenizer = vocabulary.and_then(Tokenizer::new).and_then(|t| fits(t, config.vocabulary));
        let replacement = self.options.chat_template.as_deref();
        let origin = origin(&header.metadata, replacement);
        let adds_bos = tokenizer.as_ref().is_ok_and(Tokenizer::adds_bos);
        let template = template(&header.metadata, replacement, adds_bos);
        if self.options.chat_template.is_some() {
            part(&template)?; // the file's own may be bad and the model still useful; the caller's is a mistake
        }
        let mut info = describe(&header, &config, context, self.file_bytes)?;
        info.tokenizer_error = tokenizer.as_ref().err().map(|e| e.to_string());
        info.chat_template = origin;
        info.reasoning = template.as_ref().map_or(ReasoningMode::None, reasoning_mode);
        let (held, start) = (std::mem::take(&mut self.held), header.data_offset);
        let mut weights = Loader::new(backend, header, config, context, held.len().min(start as usize) as u64)?;
        weights.push(&held[held.len().min(start as usize)..])?;
        weights.backend().flush().await?; // a device that refused the allocations says so now
        self.loading = Some(Loading { weights, tokenizer, template, info });
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

    /// The end of the file.
    ///
    /// # Errors
    /// `InvalidGguf` if bytes are missing; those of the backend.
    pub async fn finish(self) -> Result<Engine<B>> {
        let Some(Loading { mut weights, tokenizer, template, info }) = self.loading else {
            let (have, want) = (self.held.len(), self.file_bytes);
            let detail = format!("the file ended after {have} of {want} bytes, before its header was complete");
            return Err(Error::new(ErrorKind::InvalidGguf, detail));
        };
        weights.backend().flush().await?;
        Ok(Engine { session: weights.finish()?, tokenizer, template, info, generation: None })
    }
}

fn fits(tokenizer: Tokenizer, vocabulary: usize) -> Result<Tokenizer> {
    if tokenizer.vocabulary_size() <= vocabulary {
        return Ok(tokenizer);
    }
    let detail = format!("the tokenizer has {} tokens, the embedding table {vocabulary}", tokenizer.vocabulary_size());
    Err(Error::new(ErrorKind::InvalidModel, detail))
}

fn describe(header: &Header, config: &Config, context: usize, bytes: u64) -> Result<Info> {
    let mut weights_by_type: HashMap<&str, u64> = HashMap::new();
    for tensor in &header.tensors {
        *weights_by_type.entry(tensor.ty.name).or_default() += tensor.len();
    }
    let most = weights_by_type.iter().max_by_key(|(name, count)| (**count, **name));
    Ok(Info {
        architecture: config.architecture.name.to_owned(),
        name: header.metadata.str("general.name")?.unwrap_or_default().to_owned(),
        parameters: weights_by_type.values().sum(),
        quantisation: most.map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
        context_length: context,
        vocabulary_size: config.vocabulary,
        bytes,
        tokenizer_error: None,
        chat_template: TemplateOrigin::Default,
        reasoning: ReasoningMode::None,
    })
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
