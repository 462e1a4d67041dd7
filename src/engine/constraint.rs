//! What holds an answer to a grammar: the tokens that its next one may be, which the caller gives, and those of the reasoning before it.

use crate::chat::Stage;
use crate::error::{Error, ErrorKind, Result};
use crate::sampling::Allowed;

/// Of one generation.
pub(super) struct Constraint {
    /// What the grammar allows, once that was told.
    grammar: Option<Allowed>,
    /// Reasoning may go on with all but the end.
    thinking: Allowed,
    /// The token that opens reasoning, if there is one.
    opening: Option<u32>,
    /// Those that end a generation.
    ends: Vec<u32>,
    /// Whether they may not come even where the grammar lets them.
    ignores_ends: bool,
    vocabulary: usize,
}

impl Constraint {
    pub(super) fn new(ends: Vec<u32>, ignores_ends: bool, opening: Option<u32>, vocabulary: usize) -> Self {
        let mut thinking = Allowed::all(vocabulary);
        ends.iter().for_each(|&id| thinking.remove(id));
        Self { grammar: None, thinking, opening, ends, ignores_ends, vocabulary }
    }

    /// Takes what the grammar allows, as [`Allowed::new`] has it.
    pub(super) fn allow(&mut self, words: &[u32]) -> Result<()> {
        let mut grammar = Allowed::new(words, self.vocabulary);
        if self.ignores_ends {
            self.ends.iter().for_each(|&id| grammar.remove(id));
        }
        if grammar.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a grammar that allows no token has come to its end"));
        }
        self.grammar = Some(grammar);
        Ok(())
    }

    /// Whether there is something to choose from.
    pub(super) fn check(&self) -> Result<()> {
        let missing =
            || Error::new(ErrorKind::InvalidArgument, "a constrained generation was not told what it may say");
        self.grammar.as_ref().map(|_| ()).ok_or_else(missing)
    }

    /// Whether reasoning begins with this token.
    pub(super) fn opens(&self, id: u32) -> bool {
        self.opening == Some(id)
    }

    /// What may come next.
    pub(super) fn of(&self, stage: Stage) -> Allowed {
        let mut allowed = match (&self.grammar, stage) {
            (Some(grammar), Stage::Answer | Stage::Undecided) => grammar.clone(),
            (_, Stage::Reasoning) | (None, _) => self.thinking.clone(),
        };
        if let (Stage::Undecided, Some(id)) = (stage, self.opening) {
            allowed.insert(id);
        }
        allowed
    }
}
