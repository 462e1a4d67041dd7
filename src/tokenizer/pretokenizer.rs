//! Cutting text into words before merging; no merge crosses the border of a word.
//!
//! The regular expressions are those of llama.cpp's `llm_tokenizer_bpe` for the names it knows. All of them end in
//! `\s+(?!\S)|\s+`: a run of white space leaves its last character to the word after it. That is the only
//! look-ahead, so it is a rule in code here, and the rest runs on an engine that is linear in the text.

use regex::Regex;

use crate::{Error, ErrorKind, Result};

/// Which runs of white space leave their last character to the next word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpaceRule {
    /// None: the expression does not match white space as such.
    Keep,
    /// Every run of two or more that is not at the end.
    Split,
    /// The same, but a match that ends with a line break is whole: another branch of the expression made it.
    SplitUnlessNewline,
}

/// One pass: its matches become words, and so does what lies between them.
type Pass = (&'static str, SpaceRule);

const DIGIT: Pass = (r"\p{N}", SpaceRule::Keep);
const GPT2: Pass = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+", SpaceRule::Split);
const LLAMA3: Pass = (
    r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    SpaceRule::SplitUnlessNewline,
);
const QWEN2: Pass = (
    r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    SpaceRule::SplitUnlessNewline,
);
const QWEN35: Pass = (
    r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    SpaceRule::SplitUnlessNewline,
);
const GPT4O: Pass = (
    r"[^\r\n\p{L}\p{N}]?[\p{L}--a-z]*[\p{L}--A-Z]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{L}--a-z]+[\p{L}--A-Z]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+",
    SpaceRule::SplitUnlessNewline,
);
const DEFAULT: &[Pass] = &[
    (r"[\p{P}$+<=>^~|]+", SpaceRule::Keep),
    GPT2,
    (r"\p{N}+", SpaceRule::Keep),
    (r"[0-9][0-9][0-9]", SpaceRule::Keep),
];

/// What the name in `tokenizer.ggml.pre` stands for.
#[derive(Debug)]
struct Family {
    names: &'static [&'static str],
    passes: &'static [Pass],
    /// A word that is a token as a whole is not merged from its bytes.
    ignore_merges: bool,
    /// Whether text begins with the BOS token when the file does not say.
    add_bos: bool,
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        passes: &[DIGIT, GPT2],
        ignore_merges: false,
        add_bos: false,
    },
    Family {
        names: &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "gigachat",
            "exaone4",
            "mellum",
        ],
        passes: &[GPT2],
        ignore_merges: false,
        add_bos: false,
    },
    Family {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        passes: &[LLAMA3],
        ignore_merges: true,
        add_bos: true,
    },
    Family {
        names: &["smaug-bpe", "dbrx", "glm4", "chatglm-bpe"],
        passes: &[LLAMA3],
        ignore_merges: false,
        add_bos: false,
    },
    Family {
        names: &["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "megrez", "kormo", "grok-2"],
        passes: &[QWEN2],
        ignore_merges: false,
        add_bos: false,
    },
    Family { names: &["qwen35"], passes: &[QWEN35], ignore_merges: false, add_bos: false },
    Family { names: &["gpt-4o", "llama4", "kanana2"], passes: &[GPT4O], ignore_merges: false, add_bos: false },
    // the empty name is a file from before the key existed
    Family { names: &["default", ""], passes: DEFAULT, ignore_merges: false, add_bos: false },
];

/// The names of all supported pre-tokenizers, for messages.
fn supported() -> String {
    let names: Vec<&str> =
        FAMILIES.iter().flat_map(|family| family.names).copied().filter(|name| !name.is_empty()).collect();
    names.join(", ")
}

/// A compiled pre-tokenizer.
#[derive(Clone, Debug)]
pub struct Pretokenizer {
    passes: Vec<(Regex, SpaceRule)>,
    /// A word that is a token as a whole is not merged from its bytes.
    pub ignore_merges: bool,
    /// Whether text begins with the BOS token when the file does not say.
    pub add_bos: bool,
}

impl Pretokenizer {
    /// The pre-tokenizer called `name` in `tokenizer.ggml.pre`.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedTokenizer`] with the names that are supported.
    pub fn new(name: &str) -> Result<Self> {
        let Some(family) = FAMILIES.iter().find(|family| family.names.contains(&name)) else {
            let detail = format!("pre-tokenizer {name:?} (tokenizer.ggml.pre) is not supported; {} are", supported());
            return Err(Error::new(ErrorKind::UnsupportedTokenizer, detail));
        };
        let compile = |&(pattern, rule): &Pass| match Regex::new(pattern) {
            Ok(regex) => Ok((regex, rule)),
            Err(e) => Err(Error::new(ErrorKind::Internal, "a pre-tokenizer does not compile").with_source(e)),
        };
        let passes = family.passes.iter().map(compile).collect::<Result<_>>()?;
        Ok(Self { passes, ignore_merges: family.ignore_merges, add_bos: family.add_bos })
    }

    /// Calls `word` with every word of `text` in order; together they are the text.
    pub fn split<'t>(&self, text: &'t str, word: &mut dyn FnMut(&'t str)) {
        split(&self.passes, text, word);
    }
}

fn split<'t>(passes: &[(Regex, SpaceRule)], text: &'t str, word: &mut dyn FnMut(&'t str)) {
    let Some(((regex, rule), rest)) = passes.split_first() else {
        return if text.is_empty() { () } else { word(text) };
    };
    let mut end = 0;
    while let Some(found) = regex.find_at(text, end) {
        let next = found.end() - given_away(*rule, found.as_str(), found.end() == text.len());
        if let Some(gap) = text.get(end..found.start()) {
            split(rest, gap, word);
        }
        if let Some(found) = text.get(found.start()..next) {
            split(rest, found, word);
        }
        end = next;
    }
    if let Some(gap) = text.get(end..) {
        split(rest, gap, word);
    }
}

/// How many bytes at the end of a match belong to the next word: `\s+(?!\S)` in front of `\s+`.
fn given_away(rule: SpaceRule, found: &str, at_end: bool) -> usize {
    let Some(last) = found.chars().next_back() else { return 0 };
    let is_run = last.is_whitespace() && found.len() > last.len_utf8() && !at_end;
    match rule {
        SpaceRule::Split if is_run => last.len_utf8(),
        SpaceRule::SplitUnlessNewline if is_run && !matches!(last, '\r' | '\n') => last.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        let mut words = Vec::new();
        Pretokenizer::new(name).unwrap().split(text, &mut |word| words.push(word));
        assert_eq!(words.concat(), text);
        words
    }

    #[test]
    fn every_name_compiles_and_none_is_listed_twice() {
        let names: Vec<_> = FAMILIES.iter().flat_map(|family| family.names).collect();
        for name in &names {
            Pretokenizer::new(name).unwrap();
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Pretokenizer::new("klingon").unwrap_err();
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
    fn contractions_are_words() {
        assert_eq!(words("gpt-2", "I'll DON'T"), ["I", "'ll", " DON", "'", "T"]);
        assert_eq!(words("llama-bpe", "I'LL don't"), ["I", "'LL", " don", "'t"]);
        assert_eq!(words("gpt-4o", "don't HTMLPage"), ["don't", " HTMLPage"]);
    }

    #[test]
    fn a_megabyte_of_anything_is_linear() {
        for unit in ["a", " ", "\n", "1", "!", "é", " \u{3000}", "'", "a1 "] {
            let text = unit.repeat(1_000_000 / unit.len());
            for name in ["smollm", "llama-bpe", "qwen2", "gpt-4o", "default"] {
                let mut bytes = 0;
                Pretokenizer::new(name).unwrap().split(&text, &mut |word| bytes += word.len());
                assert_eq!(bytes, text.len());
            }
        }
    }
}
