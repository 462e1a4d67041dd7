//! A bound on the nesting of a template, before it is parsed.
//!
//! The engine bounds parentheses and blocks, but parses and compiles chains (`not not ...`, `a + b + ...`, `elif`) by
//! recursion without a bound; a stack overflow cannot be caught. Every level of such a chain needs an operator, so
//! operators are counted.

use crate::{Error, ErrorKind, Result};

/// The most operators in one tag, and the most `elif` in one template. The templates of 43 known models pass.
const MAX_OPERATORS: usize = 200;

/// Words that nest an expression.
const WORDS: &[&str] = &["not", "and", "or", "if", "else", "is", "in"];

/// Checks `source`.
///
/// # Errors
/// [`ErrorKind::ChatTemplate`] above the bound, with the line.
pub fn check(source: &str) -> Result<()> {
    let mut rest = source;
    let mut elifs = 0;
    while let Some(at) = rest.find('{') {
        let after = rest.get(at + 1..).unwrap_or_default();
        rest = match after.as_bytes().first() {
            Some(b'#') => after.find("#}").and_then(|end| after.get(end + 2..)).unwrap_or_default(),
            Some(b'{' | b'%') => {
                let tag = after.get(1..).unwrap_or_default();
                let name = tag.trim_start_matches(['-', '+']).trim_start();
                elifs += usize::from(name.starts_with("elif"));
                let (operators, length) = read_tag(tag);
                if operators > MAX_OPERATORS || elifs > MAX_OPERATORS {
                    let line = 1 + source.get(..source.len() - tag.len()).unwrap_or_default().matches('\n').count();
                    let detail = format!(
                        "the chat template has more than {MAX_OPERATORS} operators in one tag, or as many elif, at line {line}"
                    );
                    return Err(Error::new(ErrorKind::ChatTemplate, detail));
                }
                let after = tag.get(length..).unwrap_or_default();
                if tag_is(name, "raw") { after_raw(after) } else { after }
            }
            _ => after,
        };
    }
    Ok(())
}

/// Whether the text after `{%` is the tag `word` with nothing else in it.
fn tag_is(name: &str, word: &str) -> bool {
    let rest = name.strip_prefix(word).map(|rest| rest.trim_start().trim_start_matches(['-', '+']));
    rest.is_some_and(|rest| rest.starts_with("%}"))
}

/// What follows the `endraw` tag: up to there the template engine reads no tags, so an odd quote there means nothing.
fn after_raw(source: &str) -> &str {
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if tag_is(rest.trim_start_matches(['-', '+']).trim_start(), "endraw") {
            return rest.find("%}").and_then(|end| rest.get(end + 2..)).unwrap_or_default();
        }
    }
    ""
}

/// The operators in a tag and its length in bytes; stops soon after the bound.
fn read_tag(tag: &str) -> (usize, usize) {
    let bytes = tag.as_bytes();
    let (mut operators, mut open, mut at) = (0, 0usize, 0);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match byte {
            b'}' | b'%' if open == 0 && next == Some(b'}') => return (operators, at + 2),
            b'"' | b'\'' => at += string_length(&bytes[at..], byte) - 1,
            b'(' | b'[' | b'{' => {
                open += 1;
                operators += 1;
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'~' | b'|' | b'.' | b'<' | b'>' | b'=' | b'!' => operators += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let length = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                operators += usize::from(WORDS.iter().any(|word| word.as_bytes() == &bytes[at..at + length]));
                at += length - 1;
            }
            _ => {}
        }
        if operators > MAX_OPERATORS {
            break;
        }
        at += 1;
    }
    (operators, at.min(bytes.len()))
}

/// The length of a string literal with its quotes, or of the rest if it does not end.
fn string_length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_counted_and_strings_are_not() {
        for unit in ["not ", "-", "a.", "a + ", "a ~ ", "x|trim|", "a if b else ", "[", "{'a': {}} - ", "'}}' and "] {
            check(&format!("{{{{ {}a }}}}", unit.repeat(10))).unwrap();
            let error = check(&format!("\n{{{{ {}a }}}}", unit.repeat(1000))).unwrap_err();
            assert!(error.kind() == ErrorKind::ChatTemplate && error.detail().ends_with("line 2"), "{unit} {error}");
        }
        check(&format!("{}{{{{ '{}' }}}}{{# {} #}}", "- not { ".repeat(999), "- not ".repeat(999), "+".repeat(999)))
            .unwrap();
        check(&"{{ a + b }}{% if a %}{% endif %}".repeat(1000)).unwrap();
        check(&"{% elif a %}".repeat(1000)).unwrap_err();
        let chain = format!("{{{{ {}a }}}}", "not ".repeat(1000));
        check(&format!("{{%- raw -%}}{{{{ '{{%+ endraw %}}{chain}")).unwrap_err();
        check(&format!("{{% raw %}}{{{{ '{chain}{{% endraw %}}")).unwrap();
    }

    #[test]
    fn no_text_makes_it_fail_otherwise() {
        for text in ["{", "{{", "{%", "{#", "{{ '", "{{ 'a\\", "{{ é }", "{%-é", "{{}}{{", "{{ }%}"] {
            check(text).unwrap();
        }
    }
}
