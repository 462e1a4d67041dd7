//! Text to token ids and back: byte-level BPE as described by the metadata of a GGUF file.
//!
//! ```
//! use pagelm::tokenizer::{Tokenizer, Vocabulary};
//!
//! let tokens = ["h", "i", "hi", "<end>"].map(String::from).to_vec();
//! let tokenizer = Tokenizer::new(Vocabulary {
//!     model: "gpt2".into(),
//!     pre: "gpt-2".into(),
//!     tokens,
//!     token_types: vec![1, 1, 1, 3],
//!     merges: vec!["h i".into()],
//!     eos: Some(3),
//!     ..Default::default()
//! })?;
//! let ids = tokenizer.encode("hi<end>", false, true)?;
//! assert_eq!(ids, [2, 3]);
//! assert_eq!(tokenizer.decode(&ids, false)?, "hi");
//! assert!(tokenizer.is_end_of_generation(3));
//! # Ok::<(), pagelm::Error>(())
//! ```
//!
//! Every result equals that of llama.cpp, whose rules the parts name: special tokens first (`special`), then words
//! (`pretokenizer`), then merges (`merges`).

mod bytes;
mod detokenizer;
mod end_of_generation;
mod merges;
mod pretokenizer;
mod special;

use std::collections::{BTreeSet, HashMap};

pub use detokenizer::Detokenizer;
pub use special::MAX_SPECIAL_BYTES;

use crate::{Error, ErrorKind, Result};
use bytes::byte_of_char;
use merges::Merges;
use pretokenizer::Pretokenizer;
use special::{Fragment, SpecialTokens};

/// The longest text to encode at once, in bytes: 64 MiB, some hundred times the longest context.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

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
enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    /// Unused or undefined: never shown.
    Unused,
    Byte,
}

impl TokenType {
    fn from_ggml(value: i32) -> Self {
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
    fn is_control(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

/// A tokenizer, ready to use. Immutable.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// The bytes each id stands for, control tokens included.
    pieces: Vec<Vec<u8>>,
    types: Vec<TokenType>,
    pretokenizer: Pretokenizer,
    special: SpecialTokens,
    merges: Merges,
    /// Bytes of a word that is one token, for pre-tokenizers that look there first; else empty.
    whole_words: HashMap<Vec<u8>, u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    ends: BTreeSet<u32>,
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidModel, detail)
}

impl Tokenizer {
    /// Checks the description and builds the tables.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedTokenizer`] for a `model` or `pre` that is not known here; [`ErrorKind::InvalidModel`]
    /// for no tokens, duplicate tokens, `token_types` of another length, special ids out of range, `add_bos` or
    /// `add_eos` without that token, merges that name unknown tokens or special tokens beyond
    /// [`MAX_SPECIAL_BYTES`].
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        if vocabulary.model != "gpt2" {
            let detail =
                format!("tokenizer model {:?} (tokenizer.ggml.model) is not supported; gpt2 is", vocabulary.model);
            return Err(Error::new(ErrorKind::UnsupportedTokenizer, detail));
        }
        let pretokenizer = Pretokenizer::new(&vocabulary.pre)?;
        check_ids(&vocabulary)?;
        let ids = ids_of(&vocabulary.tokens)?;
        let mut types = types_of(&vocabulary)?;
        let ends = end_of_generation::end_of_generation(&vocabulary, &ids, &mut types);
        let merges = Merges::new(&vocabulary.merges, &ids)?;
        let mut special = SpecialTokens::default();
        let mut whole_words = HashMap::new();
        let mut pieces = Vec::with_capacity(types.len());
        for ((id, text), &token_type) in (0u32..).zip(&vocabulary.tokens).zip(&types) {
            if token_type.is_control() || token_type == TokenType::UserDefined {
                special.insert(id, text, token_type.is_control())?;
            }
            if pretokenizer.ignore_merges
                && let Some(bytes) = text.chars().map(byte_of_char).collect::<Option<Vec<u8>>>()
            {
                whole_words.insert(bytes, id);
            }
            pieces.push(piece_of(text, token_type));
        }
        let Vocabulary { bos, eos, .. } = vocabulary;
        let add_bos = vocabulary.add_bos.unwrap_or(pretokenizer.add_bos && bos.is_some());
        let add_eos = vocabulary.add_eos.unwrap_or(false);
        for (name, wanted, id) in [("bos", add_bos, bos), ("eos", add_eos, eos)] {
            if wanted && id.is_none() {
                return Err(invalid(format!("add_{name}_token is true, but there is no {name}_token_id")));
            }
        }
        Ok(Self { pieces, types, pretokenizer, special, merges, whole_words, bos, eos, add_bos, add_eos, ends })
    }

    /// The number of tokens; ids are below it.
    pub fn vocabulary_size(&self) -> usize {
        self.pieces.len()
    }

    /// The token that begins a text, if there is one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text, if there is one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether `encode` with `add_special` puts the BOS token first. A prompt whose template already writes it
    /// should be encoded without.
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    /// The ids of `text`. With `add_special` the BOS and EOS tokens are added where the model wants them; with
    /// `parse_special` the text of a control token becomes that token (user-defined tokens always do).
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] above [`MAX_TEXT_BYTES`].
    pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            let detail = format!("a text of {} bytes; at most {MAX_TEXT_BYTES} can be encoded", text.len());
            return Err(Error::new(ErrorKind::LimitExceeded, detail));
        }
        let mut ids = Vec::with_capacity(text.len() / 4 + 2);
        ids.extend(self.bos.filter(|_| add_special && self.add_bos));
        for fragment in self.special.partition(text, parse_special) {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => self.pretokenizer.split(text, &mut |word| self.encode_word(word, &mut ids)),
            }
        }
        ids.extend(self.eos.filter(|_| add_special && self.add_eos));
        Ok(ids)
    }

    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        match self.whole_words.get(word.as_bytes()) {
            Some(&id) => ids.push(id),
            None => self.merges.merge(word.as_bytes(), ids),
        }
    }

    /// The text of `ids`; bytes that are not UTF-8 give U+FFFD. Control tokens give text only with `show_control`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an id that is not below the vocabulary's size.
    pub fn decode(&self, ids: &[u32], show_control: bool) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.piece_for(id, show_control)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The bytes that `id` stands for, control tokens included; they may begin or end inside a character.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if `id` is not below the vocabulary's size.
    pub fn piece(&self, id: u32) -> Result<&[u8]> {
        self.piece_for(id, true)
    }

    fn piece_for(&self, id: u32, show_control: bool) -> Result<&[u8]> {
        match (self.pieces.get(id as usize), self.types.get(id as usize)) {
            (Some(_), Some(token_type)) if token_type.is_control() && !show_control => Ok(&[]),
            (Some(piece), _) => Ok(piece),
            (None, _) => {
                let detail = format!("token id {id} is not below the vocabulary's size {}", self.pieces.len());
                Err(Error::new(ErrorKind::InvalidArgument, detail))
            }
        }
    }

    /// Whether `id` is a control token: hidden text, such as the marks of a chat template.
    pub fn is_control(&self, id: u32) -> bool {
        self.types.get(id as usize).is_some_and(|token_type| token_type.is_control())
    }

    /// Whether a generation is over when the model chooses `id`: `eos`, `eot`, the ids the caller listed, and
    /// tokens with well-known names, by llama.cpp's rule.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// All ids that end a generation, ascending.
    pub fn end_of_generation(&self) -> impl Iterator<Item = u32> + '_ {
        self.ends.iter().copied()
    }
}

/// Checks that every special id is a token.
fn check_ids(vocabulary: &Vocabulary) -> Result<()> {
    let size = vocabulary.tokens.len();
    if size == 0 || u32::try_from(size).is_err() {
        return Err(invalid(format!("tokenizer.ggml.tokens has {size} tokens; it must have 1 to {}", u32::MAX)));
    }
    let Vocabulary { bos, eos, eot, unknown, .. } = vocabulary;
    let named = [("bos", bos), ("eos", eos), ("eot", eot), ("unknown", unknown)];
    let ids = named.into_iter().filter_map(|(name, id)| id.map(|id| (name, id)));
    for (name, id) in ids.chain(vocabulary.end_of_generation.iter().map(|&id| ("end-of-generation", id))) {
        if id as usize >= size {
            return Err(invalid(format!("the {name} token id {id} is not below the vocabulary's size {size}")));
        }
    }
    Ok(())
}

/// Spelling to id.
fn ids_of(tokens: &[String]) -> Result<HashMap<&str, u32>> {
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
fn types_of(vocabulary: &Vocabulary) -> Result<Vec<TokenType>> {
    let (types, size) = (&vocabulary.token_types, vocabulary.tokens.len());
    match types.len() {
        0 => Ok(vec![TokenType::Normal; size]),
        length if length == size => Ok(types.iter().copied().map(TokenType::from_ggml).collect()),
        length => Err(invalid(format!("tokenizer.ggml.token_type has {length} entries for {size} tokens"))),
    }
}

/// The bytes a token stands for.
fn piece_of(text: &str, token_type: TokenType) -> Vec<u8> {
    match token_type {
        TokenType::Control | TokenType::Unknown | TokenType::UserDefined => text.as_bytes().to_vec(),
        TokenType::Normal => {
            let mut buffer = [0; 4];
            // a character outside the byte alphabet stands for itself
            let bytes = |c: char| match byte_of_char(c) {
                Some(byte) => vec![byte],
                None => c.encode_utf8(&mut buffer).as_bytes().to_vec(),
            };
            text.chars().flat_map(bytes).collect()
        }
        // spelled <0x0A>
        TokenType::Byte => text.get(3..5).and_then(|digits| u8::from_str_radix(digits, 16).ok()).into_iter().collect(),
        TokenType::Unused => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
