//! What one rendering may use: memory for the values it makes, time for those it reads.
//!
//! The engine counts steps, and a step costs the same whether it appends one character or doubles a megabyte. So bytes
//! are counted too, before they are allocated.

use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::{Error, ErrorKind};

/// The longest text, in bytes, that an expression may make; and of a list, at [`ITEM_BYTES`] each.
pub const MAX_VALUE_BYTES: usize = 4 << 20;

/// All that expressions may make in one rendering, in bytes, whether or not it is still referred to. Collecting a
/// conversation of 128 KB (32,768 tokens) piece by piece, a new text for each of 1,000 pieces, takes a quarter.
pub const MAX_MADE_BYTES: usize = 256 << 20;

/// All the text that may be read from variables in one rendering, in bytes: about a second of searching and comparing.
const MAX_READ_BYTES: usize = 2 << 30;

/// What an item of a list, or a node of a nested value, counts for: the value itself and its share of the container.
pub const ITEM_BYTES: usize = 32;

/// The counters of one rendering.
#[derive(Debug, Default)]
pub struct Budget {
    made: AtomicUsize,
    read: AtomicUsize,
}

impl Budget {
    /// A text of `bytes` is about to be made.
    ///
    /// # Errors
    /// Above [`MAX_VALUE_BYTES`] or, with all before it, [`MAX_MADE_BYTES`].
    pub fn make(&self, bytes: usize) -> Result<(), Error> {
        if bytes > MAX_VALUE_BYTES {
            let detail = format!("a value of {bytes} bytes; at most {MAX_VALUE_BYTES} are allowed");
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
        add(&self.made, bytes, MAX_MADE_BYTES, "made")
    }

    /// A list of `items` is about to be made, or a nested value of as many nodes looked through.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn make_items(&self, items: usize) -> Result<(), Error> {
        self.make(items.saturating_mul(ITEM_BYTES))
    }

    /// A text of `bytes` is about to be read.
    ///
    /// # Errors
    /// Above [`MAX_READ_BYTES`], with all before it.
    pub fn read(&self, bytes: usize) -> Result<(), Error> {
        add(&self.read, bytes, MAX_READ_BYTES, "read")
    }
}

fn add(counter: &AtomicUsize, bytes: usize, limit: usize, what: &str) -> Result<(), Error> {
    let before = counter.load(Ordering::Relaxed);
    let after = before.saturating_add(bytes).min(limit + 1); // stays there, so that it can never wrap
    counter.store(after, Ordering::Relaxed);
    if after <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidOperation, format!("the values {what} have more than {limit} bytes in all")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exact_and_hold_for_good() {
        let budget = Budget::default();
        budget.make(MAX_VALUE_BYTES + 1).unwrap_err();
        for _ in 0..MAX_MADE_BYTES / MAX_VALUE_BYTES {
            budget.make(MAX_VALUE_BYTES).unwrap();
        }
        budget.make(1).unwrap_err();
        budget.make(0).unwrap_err();
        budget.make_items(usize::MAX).unwrap_err();
        budget.read(MAX_READ_BYTES).unwrap();
        budget.read(usize::MAX).unwrap_err();
    }
}
