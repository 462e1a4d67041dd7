//! Which tokens may be chosen.

/// A set of tokens: bit i of its words is token i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    words: Vec<u32>,
}

impl Allowed {
    /// The tokens of `words` that are below the vocabulary's size. Words that are missing have none.
    pub fn new(words: &[u32], vocabulary_size: usize) -> Self {
        let mut words = words.to_vec();
        words.resize(vocabulary_size.div_ceil(32), 0);
        let mut allowed = Self { words };
        allowed.trim(vocabulary_size);
        allowed
    }

    /// All tokens of a vocabulary.
    pub fn all(vocabulary_size: usize) -> Self {
        let mut allowed = Self { words: vec![u32::MAX; vocabulary_size.div_ceil(32)] };
        allowed.trim(vocabulary_size);
        allowed
    }

    fn trim(&mut self, vocabulary_size: usize) {
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), vocabulary_size % 32) {
            *last &= (1 << rest) - 1;
        }
    }

    /// Adds a token, if there is one with this id.
    pub fn insert(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 32) {
            *word |= 1 << (id % 32);
        }
    }

    /// Takes a token away.
    pub fn remove(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 32) {
            *word &= !(1 << (id % 32));
        }
    }

    /// Whether a token is in it.
    pub fn contains(&self, id: u32) -> bool {
        self.words.get(id as usize / 32).is_some_and(|word| (word >> (id % 32)) & 1 == 1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// (vocabulary / 32, rounded up)
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_the_vocabulary_are_in_it() {
        for size in [1, 31, 32, 33, 64, 100] {
            let (all, given) = (Allowed::all(size), Allowed::new(&[u32::MAX; 9], size));
            assert_eq!(all, given);
            assert_eq!(all.words().len(), size.div_ceil(32));
            assert_eq!((0..400).filter(|&id| all.contains(id)).count(), size);
        }
    }

    #[test]
    fn tokens_come_and_go() {
        let mut set = Allowed::new(&[0b101], 70);
        assert_eq!(set.words(), [0b101, 0, 0]);
        set.insert(69);
        set.remove(0);
        set.insert(1000);
        assert_eq!((0..400).filter(|&id| set.contains(id)).collect::<Vec<_>>(), [2, 69]);
        set.remove(2);
        set.remove(69);
        assert!(set.is_empty());
    }
}
