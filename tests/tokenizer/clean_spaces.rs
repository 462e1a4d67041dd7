//! What `llama_detokenize` does to a text of some vocabularies: it removes spaces before punctuation, as if an English
//! text had been split into words. This crate never does, since `decode` could not give back what was encoded; here the
//! rule is applied to what it gives, so that the rest can be compared.

/// Three passes, each over what the one before has left.
pub fn clean_spaces(text: &[u8]) -> Vec<u8> {
    let marks = pass(text, |before, rest| match (before, rest) {
        (b' ', [b'?' | b'!' | b'.' | b',', ..]) => Drop::Before,
        _ => Drop::Nothing,
    });
    let alone = pass(&marks, |before, rest| match (before, rest) {
        (b' ', [b'\'', b' ', ..]) => Drop::Around,
        _ => Drop::Nothing,
    });
    pass(&alone, |before, rest| match (before, rest) {
        (b' ', [b'\'', b's' | b'm', ..] | [b'\'', b'r' | b'v', b'e', ..]) => Drop::Before,
        _ => Drop::Nothing,
    })
}

enum Drop {
    Nothing,
    Before,
    /// The byte before, and the one after becomes zero, which is then looked past.
    Around,
}

/// Goes through `text`; `rule` sees the byte before and everything from here on.
fn pass(text: &[u8], rule: impl Fn(u8, &[u8]) -> Drop) -> Vec<u8> {
    let mut out: Vec<u8> = text.iter().copied().take(1).collect();
    let mut at = 1;
    while at < text.len() {
        match rule(text[at - 1], &text[at..]) {
            Drop::Nothing => out.push(text[at]),
            Drop::Before => {
                out.pop();
                out.push(text[at]);
            }
            Drop::Around => {
                out.pop();
                out.push(text[at]);
                at += 1;
            }
        }
        at += 1;
    }
    out
}
