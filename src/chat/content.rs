//! Messages whose content is a list of parts, `[{ "type": "text", "text": ... }]`, as OpenAI's interface has them.

use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result};

/// A word that no template writes by itself.
const WORD: &str = "pagelm-probe";

/// Whether any message has a list for its content.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for a part that is no text.
pub fn has_parts(messages: &Value) -> Result<bool> {
    let mut found = false;
    for content in messages.as_array().into_iter().flatten().filter_map(|message| message["content"].as_array()) {
        found = true;
        if let Some(part) = content.iter().find(|part| part["type"] != "text" || !part["text"].is_string()) {
            let detail = format!("a part of a message has the type {}; only text is supported", part["type"]);
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
    }
    Ok(found)
}

/// A conversation that shows whether a template takes parts.
pub fn probe() -> Value {
    json!([{ "role": "user", "content": [{ "type": "text", "text": WORD }] }])
}

/// Whether it did: the text stands in the prompt, and the list around it does not.
pub fn is_taken(prompt: &str) -> bool {
    prompt.contains(WORD) && !["'type'", "\"type\""].into_iter().any(|key| prompt.contains(key))
}

/// The same messages with the texts of each list on lines of their own.
pub fn joined(messages: &Value) -> Value {
    let mut messages = messages.clone();
    for message in messages.as_array_mut().into_iter().flatten() {
        let Some(parts) = message["content"].as_array() else { continue };
        let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        message["content"] = texts.join("\n").into();
    }
    messages
}
