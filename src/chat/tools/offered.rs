//! The tools that a caller offers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The names of the offered tools, and which of their parameters are texts.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    texts: BTreeMap<String, BTreeSet<String>>,
}

impl Offered {
    /// Of a list in OpenAI's form, `{ "type": "function", "function": { "name", "parameters" } }`, or of bare functions.
    /// What has no name is passed over: it can be described to a model, but not called.
    pub fn new(tools: &Value) -> Self {
        let functions = tools.as_array().into_iter().flatten().map(|tool| tool.get("function").unwrap_or(tool));
        let texts = functions.filter_map(|function| {
            let name = function.get("name")?.as_str()?;
            Some((name.to_owned(), text_parameters(function)))
        });
        Self { texts: texts.collect() }
    }

    /// Whether there is a tool of this name.
    pub fn has(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// A value that was written without quotes, as the tool's parameter takes it: the text itself where a text is
    /// declared; else what it says as JSON, and the text if it says nothing.
    pub fn value(&self, tool: &str, parameter: &str, text: &str) -> Value {
        let is_text = self.texts.get(tool).is_some_and(|texts| texts.contains(parameter));
        let read = if is_text { None } else { serde_json::from_str(text.trim()).ok() };
        read.unwrap_or_else(|| text.into())
    }
}

fn text_parameters(function: &Value) -> BTreeSet<String> {
    let properties = function.pointer("/parameters/properties").and_then(Value::as_object);
    let texts =
        properties.into_iter().flatten().filter(|(_, schema)| schema.get("type").is_some_and(|t| t == "string"));
    texts.map(|(name, _)| name.clone()).collect()
}
