//! Characters and what pre-tokenizers see in them.

use super::categories::STARTS;

/// The general category of a character, coarsely; white space (the property White_Space) is a class of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `\p{L}`
    Letter,
    /// `\p{M}`
    Mark,
    /// `\p{N}`
    Number,
    /// `\p{P}`
    Punctuation,
    /// `\p{S}`
    Symbol,
    /// `\s`
    Space,
    /// Control, format, private and unassigned characters.
    Other,
}

impl Class {
    /// The class of `c`.
    pub fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' => Self::Letter,
            ' ' => Self::Space,
            _ => {
                let after = STARTS.partition_point(|&(start, _)| start <= u32::from(c));
                STARTS.get(after.wrapping_sub(1)).map_or(Self::Other, |&(_, class)| class)
            }
        }
    }
}

/// A character of a text.
#[derive(Clone, Copy, Debug)]
pub struct Char {
    pub c: char,
    pub class: Class,
    /// Where it ends in the text, in bytes.
    pub end: usize,
}

/// The characters of `text`.
pub fn chars_of(text: &str) -> Vec<Char> {
    let mut chars = Vec::with_capacity(text.len());
    chars.extend(text.char_indices().map(|(at, c)| Char { c, class: Class::of(c), end: at + c.len_utf8() }));
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_characters() {
        use Class::*;
        for (class, chars) in [
            (Letter, "aZzAé\u{2c6}字ª\u{2ebf0}"),
            (Mark, "\u{301}\u{93e}\u{e0100}"),
            (Number, "09²½Ⅷ٣"),
            (Punctuation, "!_-«\u{2014}"),
            (Symbol, "$+<~^`|€🎨"),
            (Space, "\t\n\r\u{b} \u{85}\u{a0}\u{2028}\u{3000}"),
            (Other, "\0\u{1c}\u{7f}\u{200b}\u{feff}\u{378}\u{e000}\u{1c89}\u{10ffff}"),
        ] {
            assert!(!chars.is_empty());
            for c in chars.chars() {
                assert_eq!(Class::of(c), class, "{c:?}");
            }
        }
    }

    #[test]
    fn the_table_ascends_and_knows_each_number_and_space() {
        assert!(STARTS.len() > 2000 && STARTS.is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
        for c in '\0'..=char::MAX {
            assert_eq!(Class::of(c) == Class::Space, c.is_whitespace(), "{c:?}");
            // the standard library may know newer numbers
            assert!(Class::of(c) != Class::Number || c.is_numeric(), "{c:?}");
        }
    }
}
