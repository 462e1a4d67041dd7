//! Merging neighbours, best pair first, until no pair may be merged: the core of both byte-pair encoding and
//! SentencePiece's, which differ in which pairs may be merged and which of them is best.
//!
//! Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016; the order of
//! llama.cpp: the pair of lowest rank anywhere first, the leftmost on a tie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The id of a symbol that is no token.
pub const UNKNOWN: u32 = u32::MAX;
/// No neighbour.
const NONE: u32 = u32::MAX;

/// A part of the text; of length 0 once it is merged into its left neighbour.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// The token it is, or [`UNKNOWN`].
    pub id: u32,
    /// Where it begins in the text, in bytes.
    pub start: u32,
    /// In bytes.
    pub length: u32,
    previous: u32,
    next: u32,
}

/// Which pairs of symbols may be merged.
pub trait Pairs {
    /// The rank of a pair (the lowest is merged first) and the token that both are together.
    fn pair(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)>;
}

/// A pair in the queue, in the order in which pairs are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    /// The position of the left symbol.
    left: u32,
    /// The length of both together. Symbols only grow or vanish, so another length says that one of them did.
    length: u32,
    id: u32,
}

/// The symbols of one text and the work space, to be used again for the next text.
#[derive(Debug, Default)]
pub struct Merger {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<Candidate>>,
}

impl Merger {
    /// Appends a symbol of `length` bytes.
    pub fn push(&mut self, id: u32, length: usize) {
        let at = self.symbols.len() as u32;
        let (previous, start) = match self.symbols.last_mut() {
            Some(last) => {
                last.next = at;
                (at - 1, last.start + last.length)
            }
            None => (NONE, 0),
        };
        self.symbols.push(Symbol { id, start, length: length as u32, previous, next: NONE });
    }

    /// Merges the symbols, calls `found` with what is left of them, and forgets them. O(n log n).
    pub fn merge(&mut self, pairs: &impl Pairs, mut found: impl FnMut(&Symbol)) {
        for left in 0..self.symbols.len().saturating_sub(1) {
            self.consider(pairs, left as u32);
        }
        while let Some(Reverse(candidate)) = self.queue.pop() {
            if let Some(previous) = self.join(candidate) {
                self.consider(pairs, previous);
                self.consider(pairs, candidate.left);
            }
        }
        self.symbols.iter().filter(|symbol| symbol.length > 0).for_each(&mut found);
        self.symbols.clear();
    }

    /// Queues the symbol at `left` with the one after it, if that is a pair.
    fn consider(&mut self, pairs: &impl Pairs, left: u32) {
        let Some(first) = self.symbols.get(left as usize) else { return };
        let Some(second) = self.symbols.get(first.next as usize) else { return };
        if let Some((rank, id)) = pairs.pair(first, second) {
            self.queue.push(Reverse(Candidate { rank, left, length: first.length + second.length, id }));
        }
    }

    /// Merges a pair, if it is still there; gives the position before it.
    fn join(&mut self, candidate: Candidate) -> Option<u32> {
        let first = *self.symbols.get(candidate.left as usize)?;
        let second = self.symbols.get_mut(first.next as usize)?;
        if first.length == 0 || first.length + second.length != candidate.length {
            return None;
        }
        second.length = 0;
        let next = second.next;
        if let Some(after) = self.symbols.get_mut(next as usize) {
            after.previous = candidate.left;
        }
        let first = self.symbols.get_mut(candidate.left as usize)?;
        (first.id, first.length, first.next) = (candidate.id, candidate.length, next);
        Some(first.previous)
    }
}
