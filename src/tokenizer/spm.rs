//! SentencePiece's byte-pair encoding: the merged text that is a token with the highest score comes first, and what is
//! no token in the end is spelled in bytes.
//!
//! Source: llama.cpp's `llm_tokenizer_spm_session`; a space is written as U+2581 in the vocabulary.

use super::arena::{Arena, Index};
use super::merging::{Merger, Pairs, Symbol, UNKNOWN};

/// What stands for a space in a vocabulary.
pub const SPACE: char = '\u{2581}';

/// The merge rules of a vocabulary with scores.
#[derive(Clone, Debug)]
pub struct Spm {
    spellings: Arena,
    index: Index,
    /// (vocabulary): the higher the score, the lower the rank.
    ranks: Vec<u32>,
    /// The token of each single byte; [`UNKNOWN`] if there is neither one nor an unknown token.
    bytes: Vec<u32>,
    /// What can stand in front of [`SPACE`] within a token, ascending. After anything else a text can be cut there,
    /// because no merge crosses that place.
    before_space: Vec<char>,
}

/// The pairs of one text.
struct TextPairs<'t> {
    spm: &'t Spm,
    text: &'t [u8],
}

impl Pairs for TextPairs<'_> {
    fn pair(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        let both = self.text.get(left.start as usize..(right.start + right.length) as usize)?;
        let id = self.spm.index.find(&self.spm.spellings, both)?;
        Some((*self.spm.ranks.get(id as usize)?, id))
    }
}

impl Spm {
    /// The rules of the vocabulary `spellings`, with `scores` (vocabulary, or none: then all are 0); `unknown` stands
    /// for bytes without a token.
    pub fn new(spellings: Arena, index: Index, scores: &[f64], unknown: Option<u32>) -> Self {
        let ranks = (0..spellings.len()).map(|id| rank(scores.get(id).copied().unwrap_or(0.0))).collect();
        let byte = |byte: u8| {
            let named = index.find(&spellings, format!("<0x{byte:02X}>").as_bytes());
            named.or_else(|| index.find(&spellings, &[byte])).or(unknown).unwrap_or(UNKNOWN)
        };
        let bytes = (0..=u8::MAX).map(byte).collect();
        let before_space = before_space(&spellings);
        Self { spellings, index, ranks, bytes, before_space }
    }

    /// Appends the tokens of `text`, in which [`SPACE`] stands for a space.
    pub fn encode(&self, text: &str, merger: &mut Merger, tokens: &mut Vec<u32>) {
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(self.cut(rest));
            self.encode_word(word, merger, tokens);
            rest = after;
        }
    }

    /// The first place after the start where `text` can be cut, or its end.
    fn cut(&self, text: &str) -> usize {
        let mut last = SPACE;
        for (at, c) in text.char_indices() {
            if c == SPACE && last != SPACE && self.before_space.binary_search(&last).is_err() {
                return at;
            }
            last = c;
        }
        text.len()
    }

    fn encode_word(&self, word: &str, merger: &mut Merger, tokens: &mut Vec<u32>) {
        // a symbol gets its id when it is merged; until then it is one character, which is looked up at the end
        word.chars().for_each(|c| merger.push(UNKNOWN, c.len_utf8()));
        let word = word.as_bytes();
        merger.merge(&TextPairs { spm: self, text: word }, |symbol| {
            let start = symbol.start as usize;
            let spelling = word.get(start..start + symbol.length as usize).unwrap_or_default();
            let known = Some(symbol.id).filter(|&id| id != UNKNOWN);
            match known.or_else(|| self.index.find(&self.spellings, spelling)) {
                Some(id) => tokens.push(id),
                None => tokens.extend(self.bytes_of(spelling)),
            }
        });
    }

    /// The tokens of single bytes.
    fn bytes_of<'s>(&'s self, text: &'s [u8]) -> impl Iterator<Item = u32> + 's {
        text.iter().filter_map(|&byte| self.bytes.get(usize::from(byte)).copied()).filter(|&id| id != UNKNOWN)
    }
}

/// Orders scores from the highest to the lowest; both zeros are equal, NaN is last or first, but always there.
fn rank(score: f64) -> u32 {
    // the bits of a positive float are ordered as integers, those of a negative one the other way round
    let bits = (score as f32 + 0.0).to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    !ascending
}

fn before_space(spellings: &Arena) -> Vec<char> {
    let mut found = Vec::new();
    let strings = (0u32..).map_while(|id| spellings.get(id));
    for text in strings.filter_map(|bytes| std::str::from_utf8(bytes).ok()) {
        let inner = text.trim_start_matches(SPACE);
        if inner.contains(SPACE) {
            let pairs = inner.chars().zip(inner.chars().skip(1));
            found.extend(pairs.filter(|&(_, second)| second == SPACE).map(|(first, _)| first));
        }
    }
    found.retain(|&c| c != SPACE);
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(tokens: &[(&str, f64)], text: &str) -> Vec<u32> {
        let mut spellings = Arena::default();
        tokens.iter().for_each(|(token, _)| spellings.push(token.as_bytes()));
        let index = Index::new(&spellings).unwrap();
        let scores: Vec<f64> = tokens.iter().map(|(_, score)| *score).collect();
        let mut ids = Vec::new();
        Spm::new(spellings, index, &scores, Some(0)).encode(text, &mut Merger::default(), &mut ids);
        ids
    }

    #[test]
    fn the_best_score_wins_and_then_the_leftmost() {
        let tokens = [("?", 0.0), ("a", 0.0), ("b", 0.0), ("ab", -2.0), ("ba", -1.0), ("aa", -1.0)];
        assert_eq!(encode(&tokens, "aba"), [1, 4]);
        assert_eq!(encode(&tokens, "aaa"), [5, 1]);
        assert_eq!(encode(&tokens, "abab"), [1, 4, 2]);
    }

    #[test]
    fn scores_are_ordered_and_zeros_are_equal() {
        let scores = [f64::INFINITY, 3.0, 1e-30, 0.0, -1e-30, -3.0, f64::NEG_INFINITY];
        assert!(scores.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
        assert_eq!(rank(0.0), rank(-0.0));
    }

    #[test]
    fn unknown_characters_are_bytes_or_the_unknown_token() {
        assert_eq!(encode(&[("?", 0.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)], "éx"), [1, 2, 0]);
    }

    #[test]
    fn tokens_may_cross_words() {
        let tokens = [("?", 0.0), (">", 0.0), ("▁", 0.0), (">▁", -2.0), ("▁>", -1.0)];
        assert_eq!(encode(&tokens, ">▁▁>"), [3, 4]);
        assert_eq!(encode(&tokens, "x▁>▁"), [0, 4, 2]);
        assert_eq!(encode(&tokens, ">▁"), [3]);
    }
}
