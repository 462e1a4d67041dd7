//! Many short byte strings in one allocation, and finding one of them: a vocabulary of 262,144 tokens would otherwise
//! be as many allocations.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Byte strings, numbered in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
    /// Where each string ends in `bytes`; it begins where the one before it ends.
    ends: Vec<usize>,
}

impl Arena {
    /// An empty arena with room for `strings` strings of `bytes` bytes together.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(strings) }
    }

    /// The number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a string.
    pub fn push(&mut self, string: &[u8]) {
        self.extend([string]);
    }

    /// Adds a string that is given in parts.
    pub fn extend<'p>(&mut self, parts: impl IntoIterator<Item = &'p [u8]>) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.ends.push(self.bytes.len());
    }

    /// The string with number `at`.
    pub fn get(&self, at: u32) -> Option<&[u8]> {
        let at = at as usize;
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.bytes.get(start..*self.ends.get(at)?)
    }
}

/// Finds strings of an arena. The hash is seeded, so that a file cannot choose strings that collide.
#[derive(Clone, Debug, Default)]
pub struct Index {
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Index {
    /// An index of all strings of `arena` that are not empty.
    ///
    /// # Errors
    /// The numbers of two equal strings, if there are any.
    pub fn new(arena: &Arena) -> std::result::Result<Self, (u32, u32)> {
        let mut index = Self { table: HashTable::with_capacity(arena.len()), hasher: RandomState::default() };
        for at in (0u32..).take(arena.len()) {
            let Some(string) = arena.get(at).filter(|string| !string.is_empty()) else { continue };
            let (hash, equal) = (index.hasher.hash_one(string), |&other: &u32| arena.get(other) == Some(string));
            if let Some(&first) = index.table.find(hash, equal) {
                return Err((first, at));
            }
            let rehash = |&other: &u32| index.hasher.hash_one(arena.get(other).unwrap_or_default());
            index.table.insert_unique(hash, at, rehash);
        }
        Ok(index)
    }

    /// The number of `string` in `arena`, which is the one that this index was made of.
    pub fn find(&self, arena: &Arena, string: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(string), |&at| arena.get(at) == Some(string)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(strings: &[&str]) -> Arena {
        let mut arena = Arena::default();
        for string in strings {
            arena.push(string.as_bytes());
        }
        arena
    }

    #[test]
    fn strings_come_back_by_number_and_by_content() {
        let arena = arena(&["a", "", "", "bc", "▁"]);
        let index = Index::new(&arena).unwrap();
        assert_eq!(arena.get(3), Some("bc".as_bytes()));
        assert_eq!((arena.get(1), arena.get(5)), (Some(&[][..]), None));
        assert_eq!(index.find(&arena, b"bc"), Some(3));
        assert_eq!(index.find(&arena, "▁".as_bytes()), Some(4));
        assert_eq!((index.find(&arena, b""), index.find(&arena, b"c")), (None, None));
    }

    #[test]
    fn equal_strings_are_reported() {
        assert_eq!(Index::new(&arena(&["a", "b", "a"])).unwrap_err(), (0, 2));
    }
}
