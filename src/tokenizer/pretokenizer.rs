//! Cutting text into words before merging; no merge crosses the border of a word.
//!
//! Other libraries describe it by regular expressions with look-ahead. Here each alternative is a rule in code
//! (`rules`), and a table (`families`) says which rules a name stands for.

use super::classes::{Char, Class, chars_of};
use super::families::{self, Family, Pass, Threes};
use super::rules::Rule;
use crate::{Error, ErrorKind, Result};

/// The family called `name` in `tokenizer.ggml.pre`.
///
/// # Errors
/// [`ErrorKind::UnsupportedTokenizer`] with the names that are supported.
pub fn family(name: &str) -> Result<&'static Family> {
    families::find(name).ok_or_else(|| {
        let (name, names): (String, String) = (name.chars().take(80).collect(), families::names());
        let detail = format!("pre-tokenizer {name:?} (tokenizer.ggml.pre) is not supported; {names} are");
        Error::new(ErrorKind::UnsupportedTokenizer, detail)
    })
}

/// Calls `word` with every word of `text` in order; together they are the text.
pub fn split<'t>(family: &Family, text: &'t str, word: &mut dyn FnMut(&'t str)) {
    let mut start = 0;
    cut(family.passes, &chars_of(text), &mut |part| {
        let end = part.last().map_or(start, |last| last.end);
        word(text.get(start..end).unwrap_or_default());
        start = end;
    });
}

/// Cuts `chars` by the first pass and what that gives by the others.
fn cut(passes: &[Pass], chars: &[Char], word: &mut dyn FnMut(&[Char])) {
    let Some((pass, rest)) = passes.split_first() else {
        return word(chars);
    };
    let mut start = 0;
    let mut part = |end: usize| {
        if let Some(part) = chars.get(start..end).filter(|part| !part.is_empty()) {
            cut(rest, part, word);
            start = end;
        }
    };
    match pass {
        Pass::Rules(rules) => by_rules(rules, chars, &mut part),
        Pass::SpacesAtEnd => part(chars.iter().rposition(|c| c.class != Class::Space).map_or(0, |last| last + 1)),
        Pass::Threes(threes) => by_threes(*threes, chars, &mut part),
    }
    part(chars.len());
}

/// Calls `part` with each place where a part ends; parts may be empty.
fn by_rules(rules: &[Rule], chars: &[Char], part: &mut dyn FnMut(usize)) {
    let mut at = 0;
    while at < chars.len() {
        match rules.iter().find_map(|rule| rule.end(chars, at)) {
            Some(end) => {
                part(at);
                part(end);
                at = end;
            }
            None => at += 1,
        }
    }
}

fn by_threes(threes: Threes, chars: &[Char], part: &mut dyn FnMut(usize)) {
    let is_digit = |c: &Char| match threes {
        Threes::Full => c.c.is_ascii_digit(),
        Threes::AfterFirst => c.class == Class::Number,
    };
    let mut at = 0;
    while at < chars.len() {
        let digits = chars.iter().skip(at).take_while(|c| is_digit(c)).count();
        let end = at + digits;
        let first = match threes {
            Threes::AfterFirst if digits % 3 == 0 => at + 3,
            _ => at + digits % 3,
        };
        if digits > 0 {
            (first..=end).step_by(3).for_each(&mut *part);
        }
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use families::FAMILIES;

    fn words<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        let mut words = Vec::new();
        split(family(name).unwrap(), text, &mut |word| words.push(word));
        assert_eq!(words.concat(), text);
        assert!(words.iter().all(|word| !word.is_empty()) || text.is_empty());
        words
    }

    #[test]
    fn no_name_is_listed_twice() {
        let names: Vec<_> = FAMILIES.iter().flat_map(|family| family.names).collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = family("klingon").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedTokenizer);
        assert!(error.detail().contains("klingon") && error.detail().contains("smollm, "), "{error}");
    }

    #[test]
    fn the_last_space_of_a_run_goes_to_the_next_word() {
        assert_eq!(words("gpt-2", "a   b \n c  "), ["a", "  ", " b", " \n", " c", "  "]);
        assert_eq!(words("llama-bpe", "a   b \n c  "), ["a", "  ", " b", " \n", " c", "  "]);
        assert_eq!(words("qwen2", "x\n\n  y\u{3000}\u{3000}!"), ["x", "\n\n", " ", " y", "\u{3000}", "\u{3000}", "!"]);
    }

    #[test]
    fn digits_go_alone_in_threes_or_together() {
        assert_eq!(words("smollm", "in 1234"), ["in", " ", "1", "2", "3", "4"]);
        assert_eq!(words("llama-bpe", "in 1234"), ["in", " ", "123", "4"]);
        assert_eq!(words("qwen2", "in 12"), ["in", " ", "1", "2"]);
        assert_eq!(words("gpt-2", "in 1234"), ["in", " 1234"]);
    }

    #[test]
    fn threes_are_counted_from_the_right() {
        assert_eq!(words("tiny_aya", "a1234 123456"), ["a", "1", "234", " ", "123", "456"]);
        assert_eq!(words("superbpe", "a12345 12"), ["a", "12", "345", " ", "12"]);
        assert_eq!(words("afmoe", "a1234 123456"), ["a", "1", "234", " ", "123", "456"]);
    }

    #[test]
    fn contractions_are_words() {
        assert_eq!(words("gpt-2", "I'll DON'T"), ["I", "'ll", " DON", "'", "T"]);
        assert_eq!(words("llama-bpe", "I'LL don't"), ["I", "'LL", " don", "'t"]);
        assert_eq!(words("gpt-4o", "don't HTMLPage"), ["don't", " HTMLPage"]);
    }

    #[test]
    fn capitals_begin_a_word() {
        assert_eq!(words("gpt-4o", "fooBar ABCd éA"), ["foo", "Bar", " ABCd", " é", "A"]);
        assert_eq!(words("tekken", "HTML's"), ["HTML", "'s"]);
        assert_eq!(words("gpt-4o", "HTML's"), ["HTML's"]);
    }

    #[test]
    fn a_phrase_keeps_single_spaces() {
        assert_eq!(words("exaone-moe", "two words  three, x"), ["two words", " ", " three", ",", " x"]);
    }

    #[test]
    fn every_family_is_linear() {
        let units =
            ["a", "A", " ", "\n", "1", "!", "é", " \u{3000}", "'", "a1 ", "字", "\u{301}", " \n", "A b", "1 \u{301}"];
        for text in units.map(|unit| unit.repeat(200_000 / unit.len())) {
            for family in FAMILIES {
                let (mut bytes, start) = (0, std::time::Instant::now());
                split(family, &text, &mut |word| bytes += word.len());
                assert_eq!(bytes, text.len());
                // a quadratic pass would take minutes
                assert!(start.elapsed().as_secs() < 5, "{:?} on {:?}", family.names, &text[..4]);
            }
        }
    }
}
