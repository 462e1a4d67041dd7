//! Text to token ids and back, as described by the metadata of a GGUF file: byte-level BPE and SentencePiece's BPE.
//!
//! ```
//! use pagelm::tokenizer::{Tokenizer, Vocabulary};
//!
//! let tokens = ["h", "i", "hi", "<end>"].map(String::from).to_vec();
//! let tokenizer = Tokenizer::new(Vocabulary {
//!     model: "gpt2".into(),
//!     pre: "gpt-2".into(),
//!     tokens: tokens.into(),
//!     token_types: vec![1, 1, 1, 3].into(),
//!     merges: vec!["h i".into()].into(),
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
//! (`pretokenizer`), then merges (`merging`, with the pairs of `merges` or `spm`).

mod arena;
mod bpe;
mod bytes;
mod categories;
mod classes;
mod detokenizer;
mod end_of_generation;
mod families;
mod merges;
mod merging;
mod pretokenizer;
mod rules;
mod special;
mod spm;
mod vocabulary;

use std::collections::BTreeSet;

pub use detokenizer::Detokenizer;
pub use special::MAX_SPECIAL_BYTES;
pub use vocabulary::Vocabulary;

use crate::{Error, ErrorKind, Result};
use arena::Arena;
use bpe::Bpe;
use bytes::byte_of_char;
use families::{Family, Spelling};
use merging::Merger;
use special::{Fragment, SpecialTokens, strip_rule};
use spm::{SPACE, Spm};
use vocabulary::{TokenType, invalid};

/// The longest text to encode at once, in bytes: 16 MiB, several times the longest context. A byte that is being merged
/// takes about 50.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// A tokenizer, ready to use. Immutable.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// The bytes each id stands for, control tokens included.
    pieces: Arena,
    types: Vec<TokenType>,
    special: SpecialTokens,
    algorithm: Algorithm,
    /// Text at the start and after a special token gets a space in front.
    space_prefix: bool,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    ends: BTreeSet<u32>,
}

/// How text between special tokens becomes ids.
#[derive(Clone, Debug)]
enum Algorithm {
    /// `gpt2`, `gemma4`
    Bpe(Bpe),
    /// `llama`
    Spm(Spm),
}

/// What `tokenizer.ggml.model` says.
#[derive(Clone, Copy)]
enum Kind {
    Bpe(&'static Family),
    Spm,
}

impl Kind {
    /// # Errors
    /// [`ErrorKind::UnsupportedTokenizer`]
    fn of(vocabulary: &Vocabulary<'_>) -> Result<Self> {
        match vocabulary.model.as_str() {
            "gpt2" => pretokenizer::family(&vocabulary.pre).map(Self::Bpe),
            "gemma4" => pretokenizer::family("gemma4").map(Self::Bpe),
            "llama" => Ok(Self::Spm),
            other => {
                // those that ggml knows belong to models that do not continue texts, or to none here
                let called = match other {
                    "bert" => ", WordPiece,",
                    "t5" => ", unigram,",
                    "rwkv" => ", RWKV's trie,",
                    _ => "",
                };
                let other: String = other.chars().take(80).collect();
                let detail = format!(
                    "tokenizer model {other:?}{called} (tokenizer.ggml.model) is not supported; gpt2, llama and gemma4 are"
                );
                Err(Error::new(ErrorKind::UnsupportedTokenizer, detail))
            }
        }
    }

    /// Whether text begins with the BOS token when the file does not say.
    fn adds_bos(self) -> bool {
        match self {
            Self::Bpe(family) => family.add_bos,
            Self::Spm => true,
        }
    }

    /// Whether tokens are written in the alphabet of bytes; else U+2581 stands for a space in them.
    fn spells_bytes(self) -> bool {
        matches!(self, Self::Bpe(family) if family.spelling == Spelling::Bytes)
    }
}

impl Tokenizer {
    /// Checks the description and builds the tables.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedTokenizer`] for a `model` or `pre` that is not known here; [`ErrorKind::InvalidModel`]
    /// for no tokens, duplicate tokens, too few `token_types` or `scores`, special ids out of range, `add_bos` or
    /// `add_eos` without that token, merges that name unknown tokens or special tokens beyond
    /// [`MAX_SPECIAL_BYTES`].
    pub fn new(mut vocabulary: Vocabulary<'_>) -> Result<Self> {
        let kind = Kind::of(&vocabulary)?;
        vocabulary.check_ids()?;
        if let Kind::Spm = kind {
            vocabulary.bos = vocabulary.default_id(vocabulary.bos, 1);
            vocabulary.eos = vocabulary.default_id(vocabulary.eos, 2);
            vocabulary.unknown = vocabulary.default_id(vocabulary.unknown, 0);
        }
        let (add_bos, add_eos) = added(&vocabulary, kind)?;
        let (spellings, index) = vocabulary.spellings()?;
        let mut types = vocabulary.types()?;
        let find = |text: &str| index.find(&spellings, text.as_bytes());
        let ends = end_of_generation::end_of_generation(&vocabulary, find, &mut types);
        let special = special_tokens(&vocabulary, &types)?;
        let pieces = pieces(&vocabulary, &types, kind);
        let algorithm = match kind {
            Kind::Spm => Algorithm::Spm(Spm::new(spellings, index, vocabulary.scores()?, vocabulary.unknown)),
            Kind::Bpe(family) => Algorithm::Bpe(Bpe::new(family, &vocabulary, (spellings, index))?),
        };
        let space_prefix = matches!(kind, Kind::Spm) && vocabulary.add_space_prefix.unwrap_or(true);
        let Vocabulary { bos, eos, .. } = vocabulary;
        Ok(Self { pieces, types, special, algorithm, space_prefix, bos, eos, add_bos, add_eos, ends })
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
        let mut merger = Merger::default();
        for fragment in self.special.partition(text, parse_special) {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => self.encode_text(text, &mut merger, &mut ids),
            }
        }
        ids.extend(self.eos.filter(|_| add_special && self.add_eos));
        Ok(ids)
    }

    /// Appends the ids of `text`, which has no special tokens and stands at the start or behind one.
    fn encode_text(&self, text: &str, merger: &mut Merger, ids: &mut Vec<u32>) {
        match &self.algorithm {
            Algorithm::Bpe(bpe) if bpe.spells_bytes() => bpe.encode(text, merger, ids),
            Algorithm::Bpe(bpe) => bpe.encode(&escape(text, false), merger, ids),
            Algorithm::Spm(spm) => spm.encode(&escape(text, self.space_prefix), merger, ids),
        }
    }

    /// The text of `ids`; bytes that are not UTF-8 give U+FFFD. See [`Self::decode_bytes`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an id that is not below the vocabulary's size.
    pub fn decode(&self, ids: &[u32], show_control: bool) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.decode_bytes(ids, show_control)?).into_owned())
    }

    /// The bytes of the text of `ids`. Control tokens give text only with `show_control`; where `encode` puts a space in
    /// front of a text, one at the start of the first token is left out. Both as llama.cpp's `llama_detokenize`, but
    /// no space before punctuation is ever removed, so that texts come back as they were.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an id that is not below the vocabulary's size.
    pub fn decode_bytes(&self, ids: &[u32], show_control: bool) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (at, &id) in ids.iter().enumerate() {
            bytes.extend_from_slice(self.piece_for(id, show_control, at == 0)?);
        }
        Ok(bytes)
    }

    /// The bytes that `id` stands for, control tokens included; they may begin or end inside a character.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if `id` is not below the vocabulary's size.
    pub fn piece(&self, id: u32) -> Result<&[u8]> {
        self.piece_for(id, true, false)
    }

    fn piece_for(&self, id: u32, show_control: bool, is_first: bool) -> Result<&[u8]> {
        match (self.pieces.get(id), self.types.get(id as usize)) {
            (Some(_), Some(token_type)) if token_type.is_control() && !show_control => Ok(&[]),
            (Some(piece), _) if is_first && self.space_prefix => Ok(piece.strip_prefix(b" ").unwrap_or(piece)),
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

fn special_tokens(vocabulary: &Vocabulary<'_>, types: &[TokenType]) -> Result<SpecialTokens> {
    let (mut special, strip) = (SpecialTokens::default(), strip_rule(vocabulary));
    for ((id, text), &token_type) in (0u32..).zip(vocabulary.tokens.iter()).zip(types) {
        if token_type.is_control() || token_type == TokenType::UserDefined {
            special.insert(id, text, token_type.is_control(), strip(text))?;
        }
    }
    Ok(special)
}

/// Whether BOS and EOS are added to a text.
fn added(vocabulary: &Vocabulary<'_>, kind: Kind) -> Result<(bool, bool)> {
    let Vocabulary { bos, eos, .. } = vocabulary;
    // Gemma 4 wants it whatever its files say
    let always = matches!(kind, Kind::Bpe(family) if family.spelling == Spelling::Text && family.add_bos);
    let add_bos = always || vocabulary.add_bos.unwrap_or(kind.adds_bos() && bos.is_some());
    let add_eos = vocabulary.add_eos.unwrap_or(false);
    for (name, wanted, id) in [("bos", add_bos, bos), ("eos", add_eos, eos)] {
        if wanted && id.is_none() {
            return Err(invalid(format!("add_{name}_token is true, but there is no {name}_token_id")));
        }
    }
    Ok((add_bos, add_eos))
}

/// The bytes each token stands for.
fn pieces(vocabulary: &Vocabulary<'_>, types: &[TokenType], kind: Kind) -> Arena {
    let bytes = vocabulary.tokens.iter().map(String::len).sum();
    let (mut pieces, mut piece) = (Arena::with_capacity(types.len(), bytes), Vec::new());
    for (text, &token_type) in vocabulary.tokens.iter().zip(types) {
        piece.clear();
        match token_type {
            TokenType::Control | TokenType::Unknown | TokenType::UserDefined => {
                piece.extend_from_slice(text.as_bytes())
            }
            TokenType::Normal if kind.spells_bytes() => decode_alphabet(text, &mut piece),
            TokenType::Normal => unescape(text, &mut piece),
            TokenType::Byte => piece.extend(named_byte(text)),
            TokenType::Unused => {}
        }
        pieces.push(&piece);
    }
    pieces
}

/// `text` with [`SPACE`] for each space, and one in front.
fn escape(text: &str, has_prefix: bool) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 2 + SPACE.len_utf8());
    escaped.extend(Some(SPACE).filter(|_| has_prefix));
    escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
    escaped
}

/// Text in which [`SPACE`] stands for a space.
fn unescape(text: &str, piece: &mut Vec<u8>) {
    for (at, part) in text.split(SPACE).enumerate() {
        piece.extend(Some(b' ').filter(|_| at > 0));
        piece.extend_from_slice(part.as_bytes());
    }
}

/// Text in the byte alphabet; a character outside of it stands for itself.
fn decode_alphabet(text: &str, piece: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    for c in text.chars() {
        match byte_of_char(c) {
            Some(byte) => piece.push(byte),
            None => piece.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
}

/// The byte of a name like `<0x0A>`.
fn named_byte(text: &str) -> Option<u8> {
    text.get(3..5).and_then(|digits| u8::from_str_radix(digits, 16).ok())
}

#[cfg(test)]
mod tests;
