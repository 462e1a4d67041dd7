//! Splitting text at special tokens, which are found as they are and never merged.
//!
//! The rule is llama.cpp's (`tokenizer_st_partition`): the longest special token takes all its occurrences, from
//! left to right, then the next longest takes what is left, and so on. That is not the same as always taking the
//! longest match from the left: a shorter token that begins earlier loses to a longer one that overlaps it.

use std::collections::{BTreeSet, HashMap};

use crate::{Error, ErrorKind, Result};

/// The longest special token in bytes. Known models stay below 64; each length in use costs a pass over the
/// positions where a special token can begin.
pub const MAX_SPECIAL_BYTES: usize = 256;

/// A part of the text, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment<'t> {
    /// Text to be tokenized.
    Text(&'t str),
    /// A special token that stood there.
    Token(u32),
}

/// The special tokens of a vocabulary.
#[derive(Clone, Debug, Default)]
pub struct SpecialTokens {
    tokens: HashMap<Vec<u8>, Special>,
    /// The lengths of `tokens` in bytes, longest last.
    lengths: BTreeSet<usize>,
    /// Whether a byte begins a special token.
    first: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Special {
    id: u32,
    /// A control or unknown token: only found when the caller asks to parse them.
    is_control: bool,
}

impl SpecialTokens {
    /// Adds token `id`, spelled `text`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] if it is longer than [`MAX_SPECIAL_BYTES`].
    pub fn insert(&mut self, id: u32, text: &str, is_control: bool) -> Result<()> {
        if text.len() > MAX_SPECIAL_BYTES {
            let detail =
                format!("special token {id} has {} bytes; at most {MAX_SPECIAL_BYTES} are supported", text.len());
            return Err(Error::new(ErrorKind::InvalidModel, detail));
        }
        if let Some(&first) = text.as_bytes().first() {
            self.first.resize(256, false);
            self.first[usize::from(first)] = true;
            self.lengths.insert(text.len());
            self.tokens.insert(text.as_bytes().to_vec(), Special { id, is_control });
        }
        Ok(())
    }

    /// Splits `text`; control tokens are found only with `parse_control`.
    pub fn partition<'t>(&self, text: &'t str, parse_control: bool) -> Vec<Fragment<'t>> {
        let mut found = self.find(text.as_bytes(), parse_control);
        found.sort_unstable();
        let mut fragments = Vec::with_capacity(2 * found.len() + 1);
        let mut end = 0;
        for (start, length, id) in found {
            fragments.extend(text.get(end..start).filter(|text| !text.is_empty()).map(Fragment::Text));
            fragments.push(Fragment::Token(id));
            end = start + length;
        }
        fragments.extend(text.get(end..).filter(|text| !text.is_empty()).map(Fragment::Text));
        fragments
    }

    /// The occurrences that count, as (start, length, id), in no order; they do not overlap.
    fn find(&self, text: &[u8], parse_control: bool) -> Vec<(usize, usize, u32)> {
        let mut starts: Vec<usize> =
            (0..text.len()).filter(|&at| self.first.get(usize::from(text[at])) == Some(&true)).collect();
        let mut taken = vec![false; if starts.is_empty() { 0 } else { text.len() }];
        let mut found = Vec::new();
        for &length in self.lengths.iter().rev() {
            let before = found.len();
            for &start in &starts {
                let Some(candidate) = text.get(start..start + length) else { continue };
                // what is taken is at least as long, so an overlap shows at one of the ends
                if taken[start] || taken[start + length - 1] {
                    continue;
                }
                if let Some(special) = self.tokens.get(candidate).filter(|s| parse_control || !s.is_control) {
                    taken[start..start + length].fill(true);
                    found.push((start, length, special.id));
                }
            }
            if found.len() > before {
                starts.retain(|&start| !taken[start]);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special(tokens: &[(&str, bool)]) -> SpecialTokens {
        let mut special = SpecialTokens::default();
        for (id, (text, is_control)) in (0..).zip(tokens) {
            special.insert(id, text, *is_control).unwrap();
        }
        special
    }

    #[test]
    fn the_longest_wins_even_if_a_shorter_one_begins_earlier() {
        let tokens = special(&[("<a>", false), (">bcd", false)]);
        assert_eq!(tokens.partition("<a>bcd", false), [Fragment::Text("<a"), Fragment::Token(1)]);
        assert_eq!(tokens.partition("<a>é<a>", false), [Fragment::Token(0), Fragment::Text("é"), Fragment::Token(0)]);
    }

    #[test]
    fn control_tokens_are_text_unless_asked_for() {
        let tokens = special(&[("<s>", true), ("\n\n", false)]);
        assert_eq!(
            tokens.partition("<s>\n\n\n", false),
            [Fragment::Text("<s>"), Fragment::Token(1), Fragment::Text("\n")]
        );
        assert_eq!(tokens.partition("<s>", true), [Fragment::Token(0)]);
    }

    #[test]
    fn nothing_special_is_one_fragment_and_nothing_is_none() {
        assert_eq!(SpecialTokens::default().partition("abc", true), [Fragment::Text("abc")]);
        assert_eq!(special(&[("a", true)]).partition("", true), []);
    }

    #[test]
    fn a_long_special_token_is_refused() {
        let error = SpecialTokens::default().insert(3, &"x".repeat(MAX_SPECIAL_BYTES + 1), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidModel);
    }
}
