//! Text marked as safe HTML (`|safe`, `|escape`), which jinja2 keeps apart even where nothing is escaped on output: added
//! to it, other text is escaped. The template of functionary marks a part of what it adds up.

use minijinja::{Error, Value};

use super::budget::Budget;
use super::python;

/// The longest escape, in bytes, for one.
const MAX_ESCAPE: usize = 5;

/// The two texts together; if one of them is safe, the other is escaped and the result is safe.
///
/// # Errors
/// The budget.
pub fn concatenate(budget: &Budget, left: &Value, right: &Value) -> Result<Value, Error> {
    let (l, r) = (left.as_str().unwrap_or_default(), right.as_str().unwrap_or_default());
    let is_safe = left.is_safe() || right.is_safe();
    let length =
        |value: &Value, text: &str| if is_safe && !value.is_safe() { text.len() * MAX_ESCAPE } else { text.len() };
    budget.make(length(left, l).saturating_add(length(right, r)))?;
    let mut joined = String::with_capacity(l.len() + r.len());
    for (value, text) in [(left, l), (right, r)] {
        if is_safe && !value.is_safe() { push_escaped(&mut joined, text) } else { joined.push_str(text) }
    }
    Ok(if is_safe { Value::from_safe_string(joined) } else { joined.into() })
}

/// `value | escape`
///
/// # Errors
/// The budget.
pub fn escape(budget: &Budget, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let text = python::string(value)?;
    budget.make(text.len().saturating_mul(MAX_ESCAPE))?;
    let mut escaped = String::with_capacity(text.len());
    push_escaped(&mut escaped, &text);
    Ok(Value::from_safe_string(escaped))
}

/// The five characters that markupsafe escapes.
fn push_escaped(escaped: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
}
