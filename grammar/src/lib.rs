//! What an answer is held to: a JSON schema, a regular expression or a grammar in the dialect of Lark that llguidance reads, as the
//! set of tokens that may come next. A module of its own beside the engine, which a page fetches when a grammar is first used.
//!
//! ```
//! use pagelm_grammar::{Grammars, Kind, pack};
//!
//! let tokens: [&[u8]; 5] = [b"y", b"es", b"no", b"yes", b"</s>"];
//! let grammars = Grammars::new(&pack(&tokens, &[4]))?;
//! let mut grammar = grammars.start(Kind::Regex, "yes|no")?;
//! assert_eq!(grammar.mask()?, Some(vec![0b01101]));
//! grammar.accept(0)?; // y
//! assert_eq!(grammar.mask()?, Some(vec![0b00010]));
//! grammar.accept(1)?; // es
//! assert_eq!(grammar.mask()?, None); // nothing can follow
//! # Ok::<(), pagelm_grammar::Error>(())
//! ```
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod vocabulary;

#[cfg(target_arch = "wasm32")]
mod exports;

use std::fmt;

use llguidance::api::{ParserLimits, StopReason, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokTrie, TokenId};
use llguidance::{ParserFactory, TokenParser};
use serde_json::{Value, json};

pub use vocabulary::pack;

/// The longest grammar, in bytes. Schemas of real APIs take some tens of thousands.
pub const MAX_TEXT_BYTES: usize = 256 << 10;

/// The deepest nesting of brackets in a grammar. What reads it calls itself for each, and a module's stack is 1 MB.
pub const MAX_NESTING: usize = 100;

/// How many pairs of properties the objects of a schema may have. One with 1,000 properties, none of them required, takes a third of a
/// second natively, and four times that twice as many; the library then allows some 500.
pub const MAX_PAIRS: usize = 1_000_000;

/// What may be between the parts of a JSON text. Without an end a model that likes white space can go on with it for ever.
const WHITE_SPACE: &str = r"[\x20\x0A\x0D\x09]{1,32}";

/// How a message ends that was longer.
const MAX_MESSAGE_BYTES: usize = 400;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The grammar is not well-formed, asks for what is not supported, or nothing fits it.
    Invalid,
    /// It is too large, or takes too much work.
    Limit,
}

/// A failure, and a sentence about it.
#[derive(Debug)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The value and the limit.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// What a grammar is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON schema, which is JSON.
    JsonSchema,
    /// A regular expression, without look-around.
    Regex,
    /// Lark, as llguidance reads it.
    Lark,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::JsonSchema => "jsonSchema",
            Self::Regex => "regex",
            Self::Lark => "lark",
        }
    }
}

/// As the library has it, less where a page has less room or time: a mask is made between two tokens of an answer.
fn limits() -> ParserLimits {
    ParserLimits {
        // 3 s natively for the most that is refused, with the library's million
        initial_lexer_fuel: 500_000,
        // 1 to 2 KB each
        max_lexer_states: 50_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// The vocabulary of a model, for any number of grammars.
pub struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// Takes a vocabulary as [`pack`] writes it.
    ///
    /// # Errors
    /// `Limit` for one that is too large; `Invalid` for bytes that are none.
    pub fn new(packed: &[u8]) -> Result<Self> {
        let env = vocabulary::environment(vocabulary::unpack(packed)?);
        let slices = SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &slices)
            .map_err(|e| invalid(format!("the vocabulary cannot be used: {}", shortened(&e.to_string()))))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self { factory })
    }

    /// Reads a grammar, for one answer.
    ///
    /// # Errors
    /// `Invalid`, `Limit`
    pub fn start(&self, kind: Kind, text: &str) -> Result<Grammar> {
        let grammar = read(kind, text)?;
        let failed = |e: &dyn fmt::Display| failure(kind, &e.to_string());
        let mut parser = self.factory.create_parser(grammar).map_err(|e| failed(&e))?;
        parser.start_without_prompt();
        let mut ends = self.trie().alloc_token_set();
        self.trie()
            .eos_tokens()
            .iter()
            .filter(|&&id| (id as usize) < self.trie().vocab_size())
            .for_each(|&id| ends.allow_token(id));
        Ok(Grammar { kind, parser, ends: ends.as_slice().to_vec() })
    }

    fn trie(&self) -> &TokTrie {
        self.factory.tok_env().tok_trie()
    }
}

/// A grammar and what has been written of an answer.
pub struct Grammar {
    kind: Kind,
    parser: TokenParser,
    /// Of the tokens that end an answer, as a mask.
    ends: Vec<u32>,
}

impl Grammar {
    /// Which tokens may follow: bit i of the words is token i. Those that end an answer are among them where it may end. `None`
    /// when it is complete: nothing else could follow.
    ///
    /// # Errors
    /// `Limit` if that takes too much work, `Invalid` if the vocabulary cannot write what has to follow.
    pub fn mask(&mut self) -> Result<Option<Vec<u32>>> {
        if self.parser.stopped() {
            return self.stopped();
        }
        match self.parser.compute_mask() {
            Ok(mask) => {
                let words = mask.as_slice();
                let goes_on = words.iter().zip(&self.ends).any(|(word, ends)| word & !ends != 0);
                Ok(goes_on.then(|| words.to_vec()))
            }
            Err(_) if self.parser.stop_reason() == StopReason::NoExtensionBias => Err(invalid(format!(
                "no token of the model's vocabulary can go on with what the {} asks for",
                self.kind.name()
            ))),
            Err(e) => Err(failure(self.kind, &e.to_string())),
        }
    }

    /// Goes on with a token of the last mask.
    ///
    /// # Errors
    /// `Invalid` if it was none of them, `Limit` if that takes too much work.
    pub fn accept(&mut self, id: TokenId) -> Result<()> {
        let back = self.parser.consume_token(id).map_err(|e| failure(self.kind, &e.to_string()))?;
        if back > 0 {
            return Err(invalid(format!("the {} would take {back} tokens back", self.kind.name())));
        }
        self.parser.check_stop().map_err(|e| failure(self.kind, &e.to_string()))?;
        Ok(())
    }

    fn stopped(&self) -> Result<Option<Vec<u32>>> {
        if self.parser.stop_reason().is_ok() {
            return Ok(None);
        }
        Err(failure(self.kind, &self.parser.error_message().unwrap_or_else(|| self.parser.stop_reason().to_string())))
    }
}

fn read(kind: Kind, text: &str) -> Result<TopLevelGrammar> {
    let name = kind.name();
    if text.len() > MAX_TEXT_BYTES {
        return Err(limit(format!("the {name} has {} bytes; it can have {MAX_TEXT_BYTES}", text.len())));
    }
    let nesting = nesting(text);
    if nesting > MAX_NESTING {
        return Err(limit(format!("the {name} nests brackets {nesting} deep; {MAX_NESTING} are possible")));
    }
    Ok(match kind {
        Kind::Regex => TopLevelGrammar::from_regex(text),
        Kind::Lark => TopLevelGrammar::from_lark(text.to_owned()),
        Kind::JsonSchema => {
            let mut schema: Value =
                serde_json::from_str(text).map_err(|e| invalid(format!("the {name} is not JSON: {e}")))?;
            let pairs = pairs(&schema);
            if pairs > MAX_PAIRS {
                return Err(limit(format!(
                    "the objects of the {name} have {pairs} pairs of properties; {MAX_PAIRS} are possible"
                )));
            }
            if let Some(options) = schema.as_object_mut() {
                options.entry("x-guidance").or_insert_with(|| json!({ "whitespace_pattern": WHITE_SPACE }));
            }
            TopLevelGrammar::from_json_schema(schema)
        }
    })
}

/// How deep brackets are nested at most, those in texts included: never less than what has to be read one in the other.
fn nesting(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// The pairs of members of each object in it. Its nesting is known to be bounded.
fn pairs(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len().pow(2) + members.values().map(pairs).sum::<usize>(),
        Value::Array(items) => items.iter().map(pairs).sum(),
        _ => 0,
    }
}

fn invalid(message: String) -> Error {
    Error { kind: ErrorKind::Invalid, message }
}

fn limit(message: String) -> Error {
    Error { kind: ErrorKind::Limit, message }
}

/// The words by which the library says that something is too much; it has no codes.
const TOO_MUCH: [&str; 8] = ["fuel", "too many", "too large", "too big", "too complex", "limit", "exceed", "too deep"];

fn failure(kind: Kind, message: &str) -> Error {
    let lower = message.to_lowercase();
    let text = format!("the {} cannot be used: {}", kind.name(), shortened(message));
    if TOO_MUCH.iter().any(|words| lower.contains(words)) { limit(text) } else { invalid(text) }
}

/// The first lines of a message, without the state of the library behind them.
fn shortened(message: &str) -> String {
    let message = message.split("\n<").next().unwrap_or(message).trim();
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES.min(message.len()));
    if end < message.len() { format!("{}…", &message[..end]) } else { message.to_owned() }
}

#[cfg(test)]
mod tests;
