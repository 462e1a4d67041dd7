//! The reversible byte alphabet of byte-level BPE: each byte has a printable character, so that tokens are strings.
//!
//! Source: OpenAI's GPT-2 `encoder.py`. Bytes whose Latin-1 character is visible stand for themselves; the other 68
//! take U+0100 and up in order.

/// The character of `byte`.
pub fn char_of_byte(byte: u8) -> char {
    let shift = match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => return char::from(byte),
        0x00..=0x20 => u32::from(byte),
        0x7f..=0xa0 => u32::from(byte) - 0x7f + 33,
        0xad => 67,
    };
    char::from_u32(0x100 + shift).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte of a character of the alphabet.
pub fn byte_of_char(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_character_and_comes_back() {
        let all: std::collections::BTreeSet<char> = (0..=255).map(char_of_byte).collect();
        assert_eq!(all.len(), 256);
        assert!((0..=255).all(|byte| byte_of_char(char_of_byte(byte)) == Some(byte)));
        assert_eq!((char_of_byte(b' '), char_of_byte(b'\n'), char_of_byte(0xff)), ('Ġ', 'Ċ', 'ÿ'));
        assert_eq!([' ', '\u{144}', '▁'].map(byte_of_char), [None; 3]);
    }
}
