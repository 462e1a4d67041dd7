//! Byte-pair merging of one word.
//!
//! Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016, with the
//! order of llama.cpp and tokenizers: the pair of lowest rank anywhere in the word first, the leftmost on a tie.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bytes::char_of_byte;
use crate::{Error, ErrorKind, Result};

/// No neighbour.
const NONE: u32 = u32::MAX;

/// The merge table of a vocabulary, in token ids.
#[derive(Clone, Debug)]
pub struct Merges {
    /// (left id, right id) -> (rank, id of both together).
    ranks: HashMap<(u32, u32), (u32, u32)>,
    /// The token of each single byte, if the vocabulary has it.
    bytes: Vec<Option<u32>>,
}

/// A part of the word; merged into its left neighbour it has `id` [`NONE`].
struct Symbol {
    id: u32,
    previous: u32,
    next: u32,
}

impl Merges {
    /// Reads lines `left right` of `tokenizer.ggml.merges`, most important first; `ids` maps spelling to id. Of a
    /// pair that is listed twice the first counts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModel`] for a line without two parts, or a part or a result that is not a token.
    pub fn new(lines: &[String], ids: &HashMap<&str, u32>) -> Result<Self> {
        let mut ranks = HashMap::with_capacity(lines.len());
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
            let id = |part: &str| ids.get(part).copied();
            let (Some(left), Some(right), Some(both)) = (id(left), id(right), id(&joined)) else {
                return Err(invalid(rank, line, "names a token that is not in the vocabulary"));
            };
            ranks.entry((left, right)).or_insert((rank, both));
        }
        let mut buffer = [0; 4];
        let bytes = (0..=u8::MAX).map(|byte| ids.get(&*char_of_byte(byte).encode_utf8(&mut buffer)).copied()).collect();
        Ok(Self { ranks, bytes })
    }

    /// Appends the tokens of `word` (any bytes) to `tokens`. O(n log n) in its length.
    ///
    /// A byte that is no token of the vocabulary is left out, as in llama.cpp; no known model lacks one.
    pub fn merge(&self, word: &[u8], tokens: &mut Vec<u32>) {
        let known = word.iter().filter_map(|&byte| self.bytes.get(usize::from(byte)).copied().flatten());
        let mut symbols: Vec<Symbol> = (0u32..)
            .zip(known)
            .map(|(at, id)| Symbol { id, previous: at.wrapping_sub(1), next: at.wrapping_add(1) })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        // (rank, position of the left part, ids of both parts): the ids tell whether the entry is out of date
        let mut queue = BinaryHeap::new();
        for left in 0..symbols.len().saturating_sub(1) {
            self.enqueue(&symbols, left as u32, &mut queue);
        }
        while let Some(Reverse((_, at, left, right))) = queue.pop() {
            let Some(next) = neighbour(&symbols, at) else { continue };
            let Some(&(_, both)) = self.ranks.get(&(left, right)) else { continue };
            if symbols[at as usize].id != left || symbols[next as usize].id != right {
                continue;
            }
            let after = symbols[next as usize].next;
            symbols[next as usize].id = NONE;
            symbols[at as usize].id = both;
            symbols[at as usize].next = after;
            if let Some(after) = symbols.get_mut(after as usize) {
                after.previous = at;
            }
            self.enqueue(&symbols, symbols[at as usize].previous, &mut queue);
            self.enqueue(&symbols, at, &mut queue);
        }
        tokens.extend(symbols.iter().map(|symbol| symbol.id).filter(|&id| id != NONE));
    }

    /// Queues the pair that begins at `at`, if it is one and has a rank.
    fn enqueue(&self, symbols: &[Symbol], at: u32, queue: &mut BinaryHeap<Reverse<(u32, u32, u32, u32)>>) {
        let Some(next) = neighbour(symbols, at) else { return };
        let (left, right) = (symbols[at as usize].id, symbols[next as usize].id);
        if let Some(&(rank, _)) = self.ranks.get(&(left, right)) {
            queue.push(Reverse((rank, at, left, right)));
        }
    }
}

/// The position after `at`, if both exist.
fn neighbour(symbols: &[Symbol], at: u32) -> Option<u32> {
    let next = symbols.get(at as usize)?.next;
    ((next as usize) < symbols.len()).then_some(next)
}

fn invalid(rank: u32, line: &str, what: &str) -> Error {
    let line: String = line.chars().take(80).collect();
    Error::new(ErrorKind::InvalidModel, format!("merge {rank} of tokenizer.ggml.merges, {line:?}, {what}"))
}
