//! Gemma 4's calls: `call:NAME{key:value,...}`, values as in JSON but for texts, which stand between `<|"|>`.

use serde_json::Value;

use super::json::{object, tool_call};
use super::{Offered, ToolCall};

const QUOTE: &str = "<|\"|>";

/// One call.
pub(super) fn call(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let (name, arguments) = body.trim().strip_prefix("call:")?.split_once('{')?;
    let arguments = as_json(&format!("{{{arguments}"))?;
    Some(vec![tool_call(None, name, &object(&arguments)?)?])
}

/// The same with quotes around keys and texts; what is wrong with it JSON will say.
fn as_json(text: &str) -> Option<String> {
    let mut json = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix(QUOTE) {
            let (text, after) = quoted.split_once(QUOTE)?;
            json.push_str(&Value::from(text).to_string());
            rest = after;
        } else if "{}[],:".contains(first) {
            json.push(first);
            rest = rest.get(1..)?;
        } else {
            let end = rest.find(['{', '}', '[', ']', ',', ':', '<']).filter(|&end| end > 0)?;
            let (word, after) = rest.split_at(end);
            let is_key = after.starts_with(':');
            json.push_str(&if is_key { Value::from(word.trim()).to_string() } else { word.to_owned() });
            rest = after;
        }
    }
    Some(json)
}
