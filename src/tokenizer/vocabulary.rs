//! What the file says about its tokenizer, and whether that makes sense.

use std::borrow::Cow;

use super::arena::{Arena, Index};
use crate::gguf::Metadata;
use crate::{Error, ErrorKind, Result};

/// What the metadata of a GGUF file says about its tokenizer; names without another prefix are those under
/// `tokenizer.ggml.`. Long lists are borrowed from the metadata.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary<'m> {
    /// `model`: `gpt2` (byte-level BPE) and `llama` (SentencePiece's BPE) are supported.
    pub model: String,
    /// `pre`: the name of the pre-tokenizer; empty if the file does not have it. Only `gpt2` has one.
    pub pre: String,
    /// `general.name`, by which llama.cpp knows tokens that take the white space after them along.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// `tokens`: the spelling of each id.
    pub tokens: Cow<'m, [String]>,
    /// `scores`: the higher, the earlier a token is merged. At least as long as `tokens`, or empty: then all are 0.
    pub scores: Cow<'m, [f64]>,
    /// `token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. At least as long as `tokens`,
    /// or empty if the file does not have it: then all are normal.
    pub token_types: Cow<'m, [i64]>,
    /// `merges`: lines `left right`, most important first.
    pub merges: Cow<'m, [String]>,
    /// `bos_token_id`: begins a text. Of `llama` 1 if the file does not say.
    pub bos: Option<u32>,
    /// `eos_token_id`: ends a text. Of `llama` 2 if the file does not say.
    pub eos: Option<u32>,
    /// `eot_token_id`: ends a turn.
    pub eot: Option<u32>,
    /// `unknown_token_id`: stands for what has no token. Of `llama` 0 if the file does not say.
    pub unknown: Option<u32>,
    /// `add_bos_token`: whether `encode` puts `bos` first; else the model's or the pre-tokenizer's rule.
    pub add_bos: Option<bool>,
    /// `add_eos_token`: whether `encode` puts `eos` last; else no.
    pub add_eos: Option<bool>,
    /// `add_space_prefix`: whether text at the start and after a special token gets a space in front; else yes for
    /// `llama` and no for others.
    pub add_space_prefix: Option<bool>,
    /// More ids that end a generation, for example `eom_token_id`, `fim_pad_token_id`, `fim_rep_token_id` and
    /// `fim_sep_token_id`.
    pub end_of_generation: Vec<u32>,
}

/// How a token is found in text and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    /// Unused or undefined: never shown.
    Unused,
    Byte,
}

impl TokenType {
    pub(super) fn from_ggml(value: i64) -> Self {
        match value {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            6 => Self::Byte,
            _ => Self::Unused,
        }
    }

    /// Hidden unless asked for, and not looked for in text unless asked for.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

pub(super) fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidModel, detail)
}

impl<'m> Vocabulary<'m> {
    /// Reads the keys under `tokenizer.ggml.` and `general.`; what is missing stays empty and is judged by
    /// [`super::Tokenizer::new`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] for a key of the wrong type, or an id beyond 32 bits.
    pub fn from_metadata(metadata: &'m Metadata) -> Result<Self> {
        let text = |key| Ok(metadata.str(key)?.unwrap_or_default().to_string());
        let texts = |key| Ok(metadata.strings(key)?.unwrap_or_default().into());
        let id = |name: &str| match metadata.u64(&format!("tokenizer.ggml.{name}_token_id"))?.map(u32::try_from) {
            // the largest u32 is how writers say "none"
            None | Some(Ok(u32::MAX)) => Ok(None),
            Some(Ok(id)) => Ok(Some(id)),
            Some(Err(e)) => Err(invalid(format!("the {name} token id is above {}", u32::MAX)).with_source(e)),
        };
        let mut end_of_generation = Vec::new();
        for name in ["eom", "fim_pad", "fim_rep", "fim_sep"] {
            end_of_generation.extend(id(name)?);
        }
        Ok(Self {
            model: text("tokenizer.ggml.model")?,
            pre: text("tokenizer.ggml.pre")?,
            name: text("general.name")?,
            architecture: text("general.architecture")?,
            tokens: texts("tokenizer.ggml.tokens")?,
            scores: metadata.floats("tokenizer.ggml.scores")?.unwrap_or_default(),
            token_types: metadata.integers("tokenizer.ggml.token_type")?.unwrap_or_default().into(),
            merges: texts("tokenizer.ggml.merges")?,
            bos: id("bos")?,
            eos: id("eos")?,
            eot: id("eot")?,
            unknown: id("unknown")?,
            add_bos: metadata.bool("tokenizer.ggml.add_bos_token")?,
            add_eos: metadata.bool("tokenizer.ggml.add_eos_token")?,
            add_space_prefix: metadata.bool("tokenizer.ggml.add_space_prefix")?,
            end_of_generation,
        })
    }

    /// The id that a kind of tokenizer takes for granted, if there is such a token.
    pub(super) fn default_id(&self, named: Option<u32>, default: u32) -> Option<u32> {
        named.or(Some(default)).filter(|&id| (id as usize) < self.tokens.len())
    }

    /// Checks that every special id is a token.
    pub(super) fn check_ids(&self) -> Result<()> {
        let size = self.tokens.len();
        if size == 0 || u32::try_from(size).is_err() {
            return Err(invalid(format!("tokenizer.ggml.tokens has {size} tokens; it must have 1 to {}", u32::MAX)));
        }
        let Vocabulary { bos, eos, eot, unknown, .. } = self;
        let named = [("bos", bos), ("eos", eos), ("eot", eot), ("unknown", unknown)];
        let ids = named.into_iter().filter_map(|(name, id)| id.map(|id| (name, id)));
        for (name, id) in ids.chain(self.end_of_generation.iter().map(|&id| ("end-of-generation", id))) {
            if id as usize >= size {
                return Err(invalid(format!("the {name} token id {id} is not below the vocabulary's size {size}")));
            }
        }
        Ok(())
    }

    /// The spellings, and the index that finds them. An empty one is padding and can only be meant by its id.
    pub(super) fn spellings(&self) -> Result<(Arena, Index)> {
        let mut spellings = Arena::with_capacity(self.tokens.len(), self.tokens.iter().map(String::len).sum());
        self.tokens.iter().for_each(|token| spellings.push(token.as_bytes()));
        let index = Index::new(&spellings).map_err(|(first, second)| {
            let token: String = self.tokens.get(first as usize).map_or("", String::as_str).chars().take(80).collect();
            invalid(format!("token {token:?} is listed twice, as {first} and as {second}"))
        })?;
        Ok((spellings, index))
    }

    /// The type of each token.
    pub(super) fn types(&self) -> Result<Vec<TokenType>> {
        let size = self.tokens.len();
        match self.token_types.len() {
            0 => Ok(vec![TokenType::Normal; size]),
            length if length < size => Err(too_short("token_type", length, size)),
            _ => Ok(self.token_types.iter().take(size).copied().map(TokenType::from_ggml).collect()),
        }
    }

    /// The score of each token; none if the file has none.
    pub(super) fn scores(&self) -> Result<&[f64]> {
        match (self.scores.len(), self.tokens.len()) {
            (length, size) if length != 0 && length < size => Err(too_short("scores", length, size)),
            _ => Ok(&self.scores),
        }
    }
}

fn too_short(key: &str, length: usize, size: usize) -> Error {
    invalid(format!("tokenizer.ggml.{key} has {length} entries for {size} tokens"))
}
