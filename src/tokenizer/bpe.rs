//! Byte-pair encoding: words of a text by the rules of a family, each merged from its bytes or characters.

use super::arena::{Arena, Index};
use super::bytes::{byte_of_char, char_of_byte};
use super::families::{Family, Spelling};
use super::merges::Merges;
use super::merging::{Merger, UNKNOWN};
use super::pretokenizer::split;
use super::vocabulary::{Vocabulary, invalid};
use crate::Result;

/// A vocabulary with merges.
#[derive(Clone, Debug)]
pub struct Bpe {
    family: &'static Family,
    merges: Merges,
    /// The token of each single byte, or [`UNKNOWN`].
    bytes: Vec<u32>,
    /// What is looked up: of a family that ignores merges, words in bytes; of one that is spelled as text, all tokens.
    words: Option<(Arena, Index)>,
}

impl Bpe {
    /// The rules of `vocabulary`, whose `tokenizer.ggml.tokens` are `spellings`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidModel`] as [`Merges::new`].
    pub fn new(
        family: &'static Family,
        vocabulary: &Vocabulary<'_>,
        (spellings, index): (Arena, Index),
    ) -> Result<Self> {
        let find = |text: &str| index.find(&spellings, text.as_bytes());
        let merges = Merges::new(&vocabulary.merges, find)?;
        let byte = |byte: u8| match family.spelling {
            Spelling::Bytes => find(char_of_byte(byte).encode_utf8(&mut [0; 4])),
            Spelling::Text => find(&format!("<0x{byte:02X}>")),
        };
        let bytes = (0..=u8::MAX).map(|value| byte(value).unwrap_or(UNKNOWN)).collect();
        let words = match family.spelling {
            Spelling::Bytes if family.ignore_merges => Some(words_in_bytes(&vocabulary.tokens)?),
            Spelling::Bytes => None,
            Spelling::Text => Some((spellings, index)),
        };
        Ok(Self { family, merges, bytes, words })
    }

    /// Whether tokens are written in the alphabet of bytes; else [`super::spm::SPACE`] stands for a space in a text.
    pub fn spells_bytes(&self) -> bool {
        self.family.spelling == Spelling::Bytes
    }

    /// Appends the tokens of `text`.
    pub fn encode(&self, text: &str, merger: &mut Merger, tokens: &mut Vec<u32>) {
        split(self.family, text, &mut |word| {
            let is_whole = match self.family.spelling {
                Spelling::Bytes => true,
                // Gemma 4 has tokens for line breaks and no merges for them
                Spelling::Text => self.family.add_bos && word.starts_with('\n'),
            };
            match self.find(word.as_bytes()).filter(|_| is_whole) {
                Some(id) => tokens.push(id),
                None => self.encode_word(word, merger, tokens),
            }
        });
    }

    fn find(&self, word: &[u8]) -> Option<u32> {
        self.words.as_ref().and_then(|(words, index)| index.find(words, word))
    }

    fn encode_word(&self, word: &str, merger: &mut Merger, tokens: &mut Vec<u32>) {
        match self.family.spelling {
            Spelling::Bytes => word.bytes().for_each(|byte| merger.push(self.byte(byte), 1)),
            Spelling::Text => word.char_indices().for_each(|(at, c)| {
                let spelling = word.as_bytes().get(at..at + c.len_utf8()).unwrap_or_default();
                merger.push(self.find(spelling).unwrap_or(UNKNOWN), spelling.len());
            }),
        }
        // what is no token is spelled in bytes; a byte that is no token is left out, as in llama.cpp
        merger.merge(&self.merges, |symbol| match symbol.id {
            UNKNOWN => {
                let spelling = word.bytes().skip(symbol.start as usize).take(symbol.length as usize);
                tokens.extend(spelling.map(|byte| self.byte(byte)).filter(|&id| id != UNKNOWN));
            }
            id => tokens.push(id),
        });
    }

    fn byte(&self, byte: u8) -> u32 {
        self.bytes.get(usize::from(byte)).copied().unwrap_or(UNKNOWN)
    }
}

/// The bytes of each token that is written in the alphabet of bytes; of others an empty string.
fn words_in_bytes(tokens: &[String]) -> Result<(Arena, Index)> {
    let (mut words, mut word) = (Arena::with_capacity(tokens.len(), tokens.iter().map(String::len).sum()), Vec::new());
    for text in tokens {
        word.clear();
        word.extend(text.chars().map_while(byte_of_char));
        words.push(if word.len() == text.chars().count() { &word } else { &[] });
    }
    // the alphabet is one to one, and spellings were found to differ
    let index = Index::new(&words).map_err(|(a, b)| invalid(format!("tokens {a} and {b} are the same bytes")))?;
    Ok((words, index))
}
