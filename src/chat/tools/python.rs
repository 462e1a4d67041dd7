//! Calls written as a list in Python, as LFM2 does: `[weather(city="Zürich", days=2), now()]`.

use serde_json::{Map, Number, Value};

use super::json::tool_call;
use super::{Offered, ToolCall};

/// How deep lists and dictionaries may be nested, as in serde_json.
const MAX_DEPTH: usize = 128;

/// A list of calls with named arguments that are literals.
pub(super) fn calls(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let mut reader = Reader { rest: body };
    let calls = reader.sequence('[', ']', Reader::call)?;
    (reader.peek().is_none() && !calls.is_empty()).then_some(calls)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, expected: char) -> Option<()> {
        let found = self.peek()?;
        self.rest = self.rest.get(found.len_utf8()..)?;
        (found == expected).then_some(())
    }

    /// Items between brackets, with commas between them and perhaps after the last.
    fn sequence<T>(&mut self, open: char, close: char, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take(open)?;
        let mut items = Vec::new();
        while self.peek()? != close {
            items.push(item(self)?);
            if self.peek()? != close {
                self.take(',')?;
            }
        }
        self.take(close)?;
        Some(items)
    }

    fn call(&mut self) -> Option<ToolCall> {
        let name = self.word()?;
        let arguments = self.sequence('(', ')', |reader| {
            let key = reader.word()?.to_owned();
            reader.take('=')?;
            Some((key, reader.value(0)?))
        })?;
        tool_call(None, name, &Map::from_iter(arguments))
    }

    /// A name, perhaps with dots, or a number.
    fn word(&mut self) -> Option<&'a str> {
        self.peek()?;
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            '[' => Some(self.sequence('[', ']', |reader| reader.value(depth + 1))?.into()),
            '{' => {
                let pairs = self.sequence('{', '}', |reader| {
                    let key = reader.value(depth + 1)?.as_str()?.to_owned();
                    reader.take(':')?;
                    Some((key, reader.value(depth + 1)?))
                })?;
                Some(Value::Object(Map::from_iter(pairs)))
            }
            quote @ ('"' | '\'') => self.text(quote).map(Value::from),
            _ => literal(self.word()?),
        }
    }

    /// A text in `quote`; of the escapes, those that JSON has as well and the quotes.
    fn text(&mut self, quote: char) -> Option<String> {
        self.take(quote)?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            if c == quote {
                self.rest = self.rest.get(at + c.len_utf8()..)?;
                return Some(text);
            }
            text.push(if c == '\\' { unescaped(characters.next()?.1)? } else { c });
        }
        None
    }
}

fn unescaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '\\' | '"' | '\'' | '/' => Some(c),
        _ => None,
    }
}

fn literal(word: &str) -> Option<Value> {
    match word {
        "True" | "true" => Some(true.into()),
        "False" | "false" => Some(false.into()),
        "None" | "null" => Some(Value::Null),
        number => number.parse::<Number>().ok().map(Value::Number),
    }
}
