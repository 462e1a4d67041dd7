//! Stop strings in streamed text.

use crate::{Error, ErrorKind, Result};

/// The most stop strings; each costs one comparison a byte of output. Other interfaces allow 4 to 16.
pub const MAX_STOPS: usize = 16;

/// The longest stop string in bytes: that much text may be held back from the reader.
pub const MAX_STOP_BYTES: usize = 1024;

/// One stop string and how far the text read so far matches it (Knuth, Morris and Pratt, 1977).
#[derive(Clone, Debug)]
struct Pattern {
    bytes: Vec<u8>,
    /// `fallback[n]`: length of the longest proper prefix of the first `n + 1` bytes that is also their suffix.
    fallback: Vec<usize>,
    /// How many bytes of the pattern end the text.
    matched: usize,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let mut fallback = vec![0; bytes.len()];
        let mut matched = 0;
        for index in 1..bytes.len() {
            while matched > 0 && bytes[index] != bytes[matched] {
                matched = fallback[matched - 1];
            }
            matched += usize::from(bytes[index] == bytes[matched]);
            fallback[index] = matched;
        }
        Self { bytes, fallback, matched: 0 }
    }

    /// Reads one byte of text; whether the pattern ends with it. Not to be called again after it did.
    fn step(&mut self, byte: u8) -> bool {
        while self.matched > 0 && self.bytes[self.matched] != byte {
            self.matched = self.fallback[self.matched - 1];
        }
        self.matched += usize::from(self.bytes[self.matched] == byte);
        self.matched == self.bytes.len()
    }
}

/// Cuts a stream of text before the first stop string and never lets a part of one through.
///
/// The stop string that is complete first wins, and of several that are complete at the same byte the longest; so
/// the result does not depend on how the text was split.
///
/// ```
/// use pagelm::sampling::StopMatcher;
///
/// let mut stop = StopMatcher::new(&["\nUser:"])?;
/// assert_eq!(stop.push("Hello\nUs"), ("Hello".to_string(), false));
/// assert_eq!(stop.push("er: more"), (String::new(), true));
/// # Ok::<(), pagelm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StopMatcher {
    patterns: Vec<Pattern>,
    /// Text that may be the start of a stop string.
    held: String,
    stopped: bool,
}

impl StopMatcher {
    /// A matcher for `stops`; with none, all text passes at once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an empty stop string, more than [`MAX_STOPS`] of them or one longer than
    /// [`MAX_STOP_BYTES`].
    pub fn new<S: AsRef<str>>(stops: &[S]) -> Result<Self> {
        let refuse = |detail: String| Err(Error::new(ErrorKind::InvalidArgument, detail));
        if stops.len() > MAX_STOPS {
            return refuse(format!("{} stop strings; at most {MAX_STOPS} are allowed", stops.len()));
        }
        for (index, stop) in stops.iter().map(AsRef::as_ref).enumerate() {
            if stop.is_empty() {
                return refuse(format!("stop string {index} is empty; it would stop before any text"));
            }
            if stop.len() > MAX_STOP_BYTES {
                return refuse(format!(
                    "stop string {index} has {} bytes; at most {MAX_STOP_BYTES} are allowed",
                    stop.len()
                ));
            }
        }
        let patterns = stops.iter().map(|stop| Pattern::new(stop.as_ref())).collect();
        Ok(Self { patterns, held: String::new(), stopped: false })
    }

    /// Whether a stop string has been seen.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Takes more text; gives what can be shown now and whether a stop string has been seen. After that all text
    /// is swallowed.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        if self.stopped {
            return (String::new(), true);
        }
        let before = self.held.len();
        self.held.push_str(text);
        for (offset, &byte) in text.as_bytes().iter().enumerate() {
            let mut longest = 0;
            for pattern in &mut self.patterns {
                if pattern.step(byte) {
                    longest = longest.max(pattern.bytes.len());
                }
            }
            if longest > 0 {
                self.stopped = true;
                self.held.truncate(before + offset + 1 - longest);
                return (std::mem::take(&mut self.held), true);
            }
        }
        // a match begins with the first byte of a character, so this never splits one
        let open = self.patterns.iter().map(|pattern| pattern.matched).max().unwrap_or(0);
        let held = self.held.split_off(self.held.len() - open);
        (std::mem::replace(&mut self.held, held), false)
    }

    /// The end of the text: gives what was held back.
    pub fn finish(&mut self) -> String {
        for pattern in &mut self.patterns {
            pattern.matched = 0;
        }
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::SplitMix64;

    /// The definition, letter by letter: the shown text and whether it stopped.
    fn by_definition(text: &str, stops: &[String]) -> (String, bool) {
        for end in (1..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let found = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str())).map(|stop| stop.len()).max();
            if let Some(length) = found {
                return (text[..end - length].to_string(), true);
            }
        }
        (text.to_string(), false)
    }

    fn random_text(random: &mut SplitMix64, most: u64) -> String {
        (0..random.next_u64() % (most + 1)).map(|_| ['a', 'b', 'é', '🎨'][random.next_u64() as usize % 4]).collect()
    }

    #[test]
    fn equals_the_definition_however_the_text_is_split() {
        let mut random = SplitMix64::new(7);
        let (mut stopped, mut passed) = (0, 0);
        for _ in 0..20_000 {
            let stops: Vec<String> = (0..random.next_u64() % 4)
                .map(|_| random_text(&mut random, 5))
                .filter(|stop| !stop.is_empty())
                .collect();
            let text = random_text(&mut random, 24);
            let mut matcher = StopMatcher::new(&stops).unwrap();
            let (mut shown, mut rest) = (String::new(), text.as_str());
            while !rest.is_empty() {
                let mut at = 1 + random.next_u64() as usize % rest.len();
                while !rest.is_char_boundary(at) {
                    at += 1;
                }
                shown += &matcher.push(&rest[..at]).0;
                let (expected, _) = by_definition(&text, &stops);
                assert!(expected.starts_with(&shown), "{text:?} {stops:?} leaked {shown:?}");
                rest = &rest[at..];
            }
            shown += &matcher.finish();
            assert_eq!((shown, matcher.is_stopped()), by_definition(&text, &stops), "{text:?} {stops:?}");
            if matcher.is_stopped() { stopped += 1 } else { passed += 1 }
        }
        assert!(stopped > 1000 && passed > 1000, "{stopped} {passed}");
    }

    #[test]
    fn one_stop_string_is_cut_at_its_first_occurrence() {
        let mut matcher = StopMatcher::new(&["aab"]).unwrap();
        let shown: String = "aaaabaab".chars().map(|c| matcher.push(&c.to_string()).0).collect();
        assert_eq!(shown, "aa");
        assert_eq!(matcher.push("x"), (String::new(), true));
        assert_eq!(matcher.finish(), "");
    }

    #[test]
    fn nothing_is_held_longer_than_it_must_be() {
        let mut matcher = StopMatcher::new(&["<end>"]).unwrap();
        assert_eq!(matcher.push("a <e"), ("a ".into(), false));
        assert_eq!(matcher.push("gg"), ("<egg".into(), false));
        assert_eq!(matcher.push("<"), (String::new(), false));
        assert_eq!(matcher.finish(), "<");
    }

    #[test]
    fn limits_are_typed_errors() {
        for stops in [vec![String::new()], vec!["x".into(); MAX_STOPS + 1], vec!["x".repeat(MAX_STOP_BYTES + 1)]] {
            assert_eq!(StopMatcher::new(&stops).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
}
