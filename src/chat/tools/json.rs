//! Calls written as JSON objects.

use serde_json::{Deserializer, Map, Value};

use super::{Offered, ToolCall};

/// The longest name of a tool, in bytes: four times what APIs allow.
const MAX_NAME_BYTES: usize = 256;

/// An object, several of them, or lists of them; between them may be white space, commas and semicolons.
pub(super) fn calls(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let mut calls = Vec::new();
    let mut rest = after_separators(body);
    while !rest.is_empty() {
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        let value = values.next()?.ok()?;
        rest = after_separators(rest.get(values.byte_offset()..)?);
        match value {
            Value::Array(list) => calls.extend(list.iter().map(call).collect::<Option<Vec<_>>>()?),
            other => calls.push(call(&other)?),
        }
    }
    (!calls.is_empty()).then_some(calls)
}

/// [`calls`], all of them of tools that are offered.
pub(super) fn offered_calls(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    calls(body, offered).filter(|calls| calls.iter().all(|call| offered.has(&call.name)))
}

/// A list whose bracket belongs to the mark.
pub(super) fn rest_of_list(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    calls(&format!("[{body}"), offered)
}

/// [`calls`] in a block of code.
pub(super) fn fenced(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    let inside = body.trim().strip_prefix("```json")?.trim_end();
    calls(inside.strip_suffix("```").unwrap_or(inside), offered)
}

fn after_separators(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == ';')
}

/// An object with a name and arguments, under the names that models give them.
fn call(value: &Value) -> Option<ToolCall> {
    let object = value.as_object()?;
    // OpenAI's form has them one level further down
    let inner = object.get("function").and_then(Value::as_object).unwrap_or(object);
    let name = ["name", "tool_name", "function"].iter().find_map(|key| inner.get(*key)?.as_str())?;
    let arguments = ["arguments", "parameters"].iter().find_map(|key| inner.get(*key));
    let id = ["id", "call_id", "tool_call_id"].iter().find_map(|key| object.get(*key)?.as_str());
    tool_call(id, name, &arguments_of(arguments)?)
}

/// An object, as such or as a text that holds one; nothing is an empty one.
fn arguments_of(value: Option<&Value>) -> Option<Map<String, Value>> {
    match value {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(Value::String(text)) if text.trim().is_empty() => Some(Map::new()),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        Some(_) => None,
    }
}

/// `None` if the name cannot be one.
pub(super) fn tool_call(id: Option<&str>, name: &str, arguments: &Map<String, Value>) -> Option<ToolCall> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_NAME_BYTES).map(str::to_owned);
    let arguments = serde_json::to_string(arguments).ok()?;
    is_name.then(|| ToolCall { id, name: name.to_owned(), arguments })
}

/// The arguments of a call as the text of an object.
pub(super) fn object(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() { Some(Map::new()) } else { serde_json::from_str(text).ok() }
}
