//! What the file says about its tokenizer, and whether that makes sense.

use std::collections::HashMap;

use crate::gguf::Metadata;
use crate::{Error, ErrorKind, Result};

/// What the metadata of a GGUF file says about its tokenizer; the names are those under `tokenizer.ggml.`.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// `model`: `gpt2` is the supported one.
    pub model: String,
    /// `pre`: the name of the pre-tokenizer; empty if the file does not have it.
    pub pre: String,
    /// `tokens`: the spelling of each id.
    pub tokens: Vec<String>,
    /// `token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. As long as `tokens`, or
    /// empty if the file does not have it: then all are normal.
    pub token_types: Vec<i32>,
    /// `merges`: lines `left right`, most important first.
    pub merges: Vec<String>,
    /// `bos_token_id`: begins a text.
    pub bos: Option<u32>,
    /// `eos_token_id`: ends a text.
    pub eos: Option<u32>,
    /// `eot_token_id`: ends a turn.
    pub eot: Option<u32>,
    /// `unknown_token_id`. Byte-level BPE never needs it.
    pub unknown: Option<u32>,
    /// `add_bos_token`: whether `encode` puts `bos` first; else the pre-tokenizer's rule.
    pub add_bos: Option<bool>,
    /// `add_eos_token`: whether `encode` puts `eos` last; else no.
    pub add_eos: Option<bool>,
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
    pub(super) fn from_ggml(value: i32) -> Self {
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

impl Vocabulary {
    /// Reads the keys under `tokenizer.ggml.`; what is missing stays empty and is judged by
    /// [`super::Tokenizer::new`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] for a key of the wrong type, or an id or type beyond 32 bits.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let text = |key| Ok(metadata.str(key)?.unwrap_or_default().to_string());
        let texts = |key| Ok(metadata.strings(key)?.unwrap_or_default().to_vec());
        let id = |name: &str| match metadata.u64(&format!("tokenizer.ggml.{name}_token_id"))?.map(u32::try_from) {
            // the largest u32 is how writers say "none"
            None | Some(Ok(u32::MAX)) => Ok(None),
            Some(Ok(id)) => Ok(Some(id)),
            Some(Err(e)) => Err(invalid(format!("the {name} token id is above {}", u32::MAX)).with_source(e)),
        };
        let token_types = metadata.integers("tokenizer.ggml.token_type")?.unwrap_or_default().iter();
        let token_types =
            token_types.map(|&token_type| i32::try_from(token_type)).collect::<std::result::Result<_, _>>();
        let mut end_of_generation = Vec::new();
        for name in ["eom", "fim_pad", "fim_rep", "fim_sep"] {
            end_of_generation.extend(id(name)?);
        }
        Ok(Self {
            model: text("tokenizer.ggml.model")?,
            pre: text("tokenizer.ggml.pre")?,
            tokens: texts("tokenizer.ggml.tokens")?,
            token_types: token_types.map_err(|e| {
                invalid("an entry of tokenizer.ggml.token_type is beyond 32 bits".into()).with_source(e)
            })?,
            merges: texts("tokenizer.ggml.merges")?,
            bos: id("bos")?,
            eos: id("eos")?,
            eot: id("eot")?,
            unknown: id("unknown")?,
            add_bos: metadata.bool("tokenizer.ggml.add_bos_token")?,
            add_eos: metadata.bool("tokenizer.ggml.add_eos_token")?,
            end_of_generation,
        })
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

    /// Spelling to id.
    pub(super) fn ids(&self) -> Result<HashMap<&str, u32>> {
        let tokens = &self.tokens;
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in (0u32..).zip(tokens) {
            // padding of the vocabulary: can only be meant by its id
            if token.is_empty() {
                continue;
            }
            if let Some(first) = ids.insert(token.as_str(), id) {
                let token: String = token.chars().take(80).collect();
                return Err(invalid(format!("token {token:?} is listed twice, as {first} and as {id}")));
            }
        }
        Ok(ids)
    }

    /// The type of each token.
    pub(super) fn types(&self) -> Result<Vec<TokenType>> {
        let (types, size) = (&self.token_types, self.tokens.len());
        match types.len() {
            0 => Ok(vec![TokenType::Normal; size]),
            length if length == size => Ok(types.iter().copied().map(TokenType::from_ggml).collect()),
            length => Err(invalid(format!("tokenizer.ggml.token_type has {length} entries for {size} tokens"))),
        }
    }
}
