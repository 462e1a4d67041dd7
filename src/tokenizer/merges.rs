//! The table of merges of byte-pair encoding.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::merging::{Pairs, Symbol};
use crate::{Error, ErrorKind, Result};

/// The merge table of a vocabulary, in token ids.
#[derive(Clone, Debug)]
pub struct Merges {
    /// (left id, right id) -> (rank, id of both together).
    ranks: HashMap<(u32, u32), (u32, u32), RandomState>,
}

impl Pairs for Merges {
    fn pair(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        self.ranks.get(&(left.id, right.id)).copied()
    }
}

impl Merges {
    /// Reads lines `left right` of `tokenizer.ggml.merges`, most important first; `find` gives the id of a spelling. Of
    /// a pair that is listed twice the first counts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] for a line without two parts, or a part or a result that is not a token.
    pub fn new(lines: &[String], find: impl Fn(&str) -> Option<u32>) -> Result<Self> {
        let mut ranks = HashMap::with_capacity_and_hasher(lines.len(), RandomState::default());
        let mut joined = String::new();
        for (rank, line) in (0u32..).zip(lines) {
            // a token may begin with a space, so the separator is looked for after the first character
            let space = line.char_indices().skip(1).find(|&(_, c)| c == ' ');
            let Some((left, right)) = space.and_then(|(at, _)| Some((line.get(..at)?, line.get(at + 1..)?))) else {
                return Err(invalid(rank, line, "is not two tokens separated by a space"));
            };
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            let (Some(left), Some(right), Some(both)) = (find(left), find(right), find(&joined)) else {
                return Err(invalid(rank, line, "names a token that is not in the vocabulary"));
            };
            ranks.entry((left, right)).or_insert((rank, both));
        }
        Ok(Self { ranks })
    }
}

fn invalid(rank: u32, line: &str, what: &str) -> Error {
    let line: String = line.chars().take(80).collect();
    Error::new(ErrorKind::InvalidModel, format!("merge {rank} of tokenizer.ggml.merges, {line:?}, {what}"))
}
