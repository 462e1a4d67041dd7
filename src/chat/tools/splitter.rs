//! Splits an answer into text and calls.

use super::{Format, Offered, ToolCall};

/// The longest call that is waited for, in bytes: no context takes more. Anything longer is text.
const MAX_CALL_BYTES: usize = 256 << 10;

/// How an object that is a call may begin; an answer in JSON that begins differently is shown at once.
const KEYS: [&str; 6] = ["\"name\"", "\"type\"", "\"function\"", "\"id\"", "\"parameters\"", "\"arguments\""];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing but white space so far, where an answer may be a call without marks.
    Beginning,
    /// In text. `is_after_call`: white space is dropped.
    Text { is_after_call: bool },
    /// What is held begins with text that is white space, then `body` is where the call begins, in bytes, and nothing
    /// before `searched` ends it.
    Call { body: usize, searched: usize },
}

/// Splits generated text into text and calls, however it is cut into pieces. White space around calls belongs to neither.
#[derive(Clone, Debug)]
pub struct Calls {
    format: &'static Format,
    offered: Offered,
    place: Place,
    held: String,
}

impl Calls {
    /// For an answer in `format` to a caller who offers these tools.
    pub fn new(format: &'static Format, offered: Offered) -> Self {
        let place = if format.is_bare { Place::Beginning } else { Place::Text { is_after_call: false } };
        Self { format, offered, place, held: String::new() }
    }

    /// Takes more of the answer: gives what can be shown, and the calls that are complete.
    pub fn push(&mut self, text: &str) -> (String, Vec<ToolCall>) {
        let (mut shown, mut calls) = (String::new(), Vec::new());
        self.held.push_str(text);
        while self.step(&mut shown, &mut calls) {}
        (shown, calls)
    }

    /// The end of the answer: gives what was held back, as calls if that is what it is.
    pub fn finish(&mut self) -> (String, Vec<ToolCall>) {
        let held = std::mem::take(&mut self.held);
        let calls = match self.place {
            Place::Call { body, .. } => held.get(body..).and_then(|body| (self.format.parse)(body, &self.offered)),
            Place::Beginning | Place::Text { .. } => None,
        };
        match (calls, self.place) {
            (Some(calls), _) => (String::new(), calls),
            (None, Place::Text { is_after_call: true }) => (held.trim_start().to_owned(), Vec::new()),
            (None, _) => (held, Vec::new()),
        }
    }

    /// Moves on as far as the text at hand decides; whether there may be more to decide.
    fn step(&mut self, shown: &mut String, calls: &mut Vec<ToolCall>) -> bool {
        match self.place {
            Place::Beginning => self.begin(),
            Place::Text { is_after_call } => self.text(is_after_call, shown),
            Place::Call { body, searched } => self.call(body, searched, shown, calls),
        }
    }

    fn begin(&mut self) -> bool {
        let start = self.held.trim_start();
        if start.is_empty() {
            return false;
        }
        let white = self.held.len() - start.len();
        match may_be_call(start) {
            None => return false,
            Some(true) => self.place = Place::Call { body: white, searched: white },
            Some(false) => self.place = Place::Text { is_after_call: false },
        }
        true
    }

    fn text(&mut self, is_after_call: bool, shown: &mut String) -> bool {
        if is_after_call {
            self.held.drain(..self.held.len() - self.held.trim_start().len());
            if self.held.is_empty() {
                return false;
            }
        }
        let open = self.format.open;
        let mark = self.held.find(open);
        let end = mark.unwrap_or_else(|| self.held.len() - started(&self.held, open));
        let seen = self.held.get(..end).map_or(0, |text| text.trim_end().len());
        shown.extend(self.held.drain(..seen));
        if mark.is_some() {
            let body = end - seen + open.len();
            self.place = Place::Call { body, searched: body };
        } else if is_after_call && seen > 0 {
            self.place = Place::Text { is_after_call: false };
        }
        mark.is_some()
    }

    fn call(&mut self, body: usize, searched: usize, shown: &mut String, calls: &mut Vec<ToolCall>) -> bool {
        let close = self.format.close;
        let found = if close.is_empty() { None } else { self.held.get(searched..).and_then(|rest| rest.find(close)) };
        if let Some(at) = found {
            let (end, rest) = (searched + at, searched + at + close.len());
            let parsed = self.held.get(body..end).and_then(|body| (self.format.parse)(body, &self.offered));
            self.place = Place::Text { is_after_call: parsed.is_some() };
            let whole: String = self.held.drain(..rest).collect();
            match parsed {
                Some(parsed) => calls.extend(parsed),
                None => shown.push_str(&whole),
            }
            return true;
        }
        if self.held.len() > MAX_CALL_BYTES {
            shown.push_str(&std::mem::take(&mut self.held));
            self.place = Place::Text { is_after_call: false };
            return false;
        }
        let searched = self.held.len() - started(&self.held, close);
        self.place = Place::Call { body, searched: searched.max(body) };
        false
    }
}

/// How many bytes at the end of `text` are the beginning of `mark`.
fn started(text: &str, mark: &str) -> usize {
    (1..mark.len()).rev().find(|&n| mark.get(..n).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
}

/// Whether text without marks can be an object that is a call; `None` while it is too short to tell.
fn may_be_call(start: &str) -> Option<bool> {
    let Some(inside) = start.strip_prefix('{') else { return Some(false) };
    let key = inside.trim_start();
    if KEYS.iter().any(|known| key.starts_with(known)) {
        return Some(true);
    }
    if KEYS.iter().any(|known| known.starts_with(key)) { None } else { Some(false) }
}
