//! Splitting text at special tokens, which are found as they are and never merged.
//!
//! The rule is llama.cpp's (`tokenizer_st_partition`): the longest special token takes all its occurrences, from
//! left to right, then the next longest takes what is left, and so on. That is not the same as always taking the
//! longest match from the left: a shorter token that begins earlier loses to a longer one that overlaps it.

use std::collections::{BTreeSet, HashMap};

use super::vocabulary::Vocabulary;
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
    strip: Strip,
}

/// Which white space belongs to a token, and is dropped with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    before: bool,
    after: bool,
}

/// A special token in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    start: usize,
    end: usize,
    id: u32,
}

/// Which token takes which white space. Files do not say; llama.cpp knows these models by name.
///
/// Source: the per-token attributes at the end of `llama_vocab::impl::load`.
pub fn strip_rule(vocabulary: &Vocabulary<'_>) -> impl Fn(&str) -> Strip + use<> {
    let (name, pre) = (vocabulary.name.to_ascii_lowercase(), &vocabulary.pre);
    let is_mask_model = ["jina-v2-de", "jina-v2-es", "jina-v2-code"].iter().any(|part| pre.contains(part))
        || ["nomic-bert-moe", "jina-bert-v3"].iter().any(|part| vocabulary.architecture.contains(part));
    let is_phi3 = !is_mask_model && (name.contains("phi-3") || name.contains("phi3"));
    let is_modern_bert = !is_mask_model && !is_phi3 && name.contains("modern-bert");
    move |token| Strip {
        before: is_mask_model && token == "<mask>" || is_modern_bert && token == "[MASK]",
        after: is_phi3 && !matches!(token, "<unk>" | "<s>" | "<|endoftext|>"),
    }
}

impl SpecialTokens {
    /// Adds token `id`, spelled `text`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] if it is longer than [`MAX_SPECIAL_BYTES`].
    pub fn insert(&mut self, id: u32, text: &str, is_control: bool, strip: Strip) -> Result<()> {
        if text.len() > MAX_SPECIAL_BYTES {
            let detail =
                format!("special token {id} has {} bytes; at most {MAX_SPECIAL_BYTES} are supported", text.len());
            return Err(Error::new(ErrorKind::InvalidModel, detail));
        }
        if let Some(&first) = text.as_bytes().first() {
            self.first.resize(256, false);
            self.first[usize::from(first)] = true;
            self.lengths.insert(text.len());
            self.tokens.insert(text.as_bytes().to_vec(), Special { id, is_control, strip });
        }
        Ok(())
    }

    /// Splits `text`; control tokens are found only with `parse_control`.
    pub fn partition<'t>(&self, text: &'t str, parse_control: bool) -> Vec<Fragment<'t>> {
        let mut search = Search::new(text.as_bytes(), &self.first);
        for &length in self.lengths.iter().rev() {
            search.take_all(length, |candidate| {
                self.tokens.get(candidate).filter(|special| parse_control || !special.is_control)
            });
        }
        search.fragments(text)
    }
}

/// The search for special tokens in one text.
struct Search<'t> {
    text: &'t [u8],
    /// Where a special token can begin.
    starts: Vec<usize>,
    /// Whether a byte belongs to a token, or is white space that a token has taken along; empty if there are no starts.
    taken: Vec<bool>,
    found: Vec<Found>,
}

impl<'t> Search<'t> {
    fn new(text: &'t [u8], first: &[bool]) -> Self {
        let begins = |at: &usize| first.get(usize::from(text[*at])) == Some(&true);
        let starts: Vec<usize> = (0..text.len()).filter(begins).collect();
        let taken = vec![false; if starts.is_empty() { 0 } else { text.len() }];
        Self { text, starts, taken, found: Vec::new() }
    }

    /// Takes the tokens of `length` bytes, from left to right.
    fn take_all<'s>(&mut self, length: usize, special: impl Fn(&[u8]) -> Option<&'s Special>) {
        let before = self.found.len();
        for &start in &self.starts {
            let end = start + length;
            let Some(candidate) = self.text.get(start..end) else { continue };
            // what is taken is at least as long, so an overlap shows at one of the ends
            if self.taken[start] || self.taken[end - 1] {
                continue;
            }
            let Some(special) = special(candidate) else { continue };
            self.taken[start..end].fill(true);
            self.found.push(Found { start, end, id: special.id });
            if special.strip.after {
                take_spaces(self.text, &mut self.taken, end..self.text.len());
            }
            if special.strip.before {
                take_spaces(self.text, &mut self.taken, (0..start).rev());
            }
        }
        if self.found.len() > before {
            let taken = &self.taken;
            self.starts.retain(|&start| !taken[start]);
        }
    }

    /// What was found and what lies between, in order.
    fn fragments(mut self, text: &'t str) -> Vec<Fragment<'t>> {
        self.found.sort_unstable();
        let mut fragments = Vec::with_capacity(2 * self.found.len() + 1);
        let mut end = 0;
        for &Found { start, end: next, id } in &self.found {
            fragments.extend(self.gap(text, end, start));
            fragments.push(Fragment::Token(id));
            end = next;
        }
        fragments.extend(self.gap(text, end, text.len()));
        fragments
    }

    /// The text from `start` to `end`, without white space that a neighbour has taken.
    fn gap(&self, text: &'t str, mut start: usize, mut end: usize) -> Option<Fragment<'t>> {
        let is_taken = |at: usize| self.taken.get(at) == Some(&true);
        while start < end && is_taken(start) {
            start += 1;
        }
        while start < end && is_taken(end - 1) {
            end -= 1;
        }
        text.get(start..end).filter(|text| !text.is_empty()).map(Fragment::Text)
    }
}

/// Takes the white space (C's `isspace`) at the front of `places`, up to what is taken already.
fn take_spaces(text: &[u8], taken: &mut [bool], places: impl Iterator<Item = usize>) {
    for at in places {
        if taken[at] || !matches!(text[at], b' ' | b'\t'..=b'\r') {
            return;
        }
        taken[at] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special(tokens: &[(&str, bool)]) -> SpecialTokens {
        let mut special = SpecialTokens::default();
        for (id, (text, is_control)) in (0..).zip(tokens) {
            special.insert(id, text, *is_control, Strip::default()).unwrap();
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
    fn white_space_is_taken_along_where_the_rule_says() {
        let named = |name: &str| Vocabulary { name: name.into(), ..Default::default() };
        let phi = strip_rule(&named("My Phi-3 mini"));
        assert!(phi("<|end|>").after && !phi("<s>").after && !phi("<|end|>").before);
        assert_eq!(strip_rule(&named("SmolLM"))("<|end|>"), Strip::default());

        let mut tokens = SpecialTokens::default();
        tokens.insert(0, "<end>", true, Strip { before: false, after: true }).unwrap();
        tokens.insert(1, "[MASK]", true, Strip { before: true, after: false }).unwrap();
        tokens.insert(2, "\n", false, Strip::default()).unwrap();
        let end = Fragment::Token(0);
        assert_eq!(
            tokens.partition("<end> \n<end>\u{a0}\n", true),
            [end, end, Fragment::Text("\u{a0}"), Fragment::Token(2)]
        );
        assert_eq!(
            tokens.partition("a \n [MASK] b", true),
            [Fragment::Text("a"), Fragment::Token(1), Fragment::Text(" b")]
        );
        assert_eq!(tokens.partition("[MASK]  <end>", true), [Fragment::Token(1), Fragment::Text("  "), end]);
    }

    #[test]
    fn a_long_special_token_is_refused() {
        let error =
            SpecialTokens::default().insert(3, &"x".repeat(MAX_SPECIAL_BYTES + 1), true, Strip::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidModel);
    }
}
