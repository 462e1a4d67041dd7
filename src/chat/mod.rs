//! Conversations to prompts: the Jinja template that comes with a model.
//!
//! ```
//! use pagelm::chat::{ChatTemplate, DEFAULT_TEMPLATE, RenderOptions};
//!
//! let template = ChatTemplate::new(DEFAULT_TEMPLATE, "<s>", "</s>")?;
//! let messages = serde_json::json!([{ "role": "user", "content": "Hello" }]);
//! let options = RenderOptions { add_generation_prompt: true, ..Default::default() };
//! let prompt = template.render(&messages, &options)?;
//! assert_eq!(prompt, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
//! # Ok::<(), pagelm::Error>(())
//! ```
//!
//! The environment is the one of `apply_chat_template` in transformers: jinja2 with `trim_blocks`, `lstrip_blocks`,
//! loop controls, Python's methods of strings, lists and dicts, `tojson` without HTML escapes, `raise_exception`,
//! `strftime_now` and `{% generation %}`. The engine is minijinja; what it prints for values is Python's text
//! (`True`, `None`, `['a']`).
//!
//! A template comes with a model and is hostile: it has no access to anything but its arguments, and its length,
//! its steps, its recursion, its output, and the values that it makes and reads on the way are bounded.

mod bounded;
mod budget;
mod content;
mod default_template;
mod environment;
mod generation_tag;
mod json;
mod markup;
mod methods;
mod nesting;
mod operators;
mod program;
mod python;
mod reasoning;
mod time;
mod tools;

pub use default_template::{DEFAULT_TEMPLATE, PLAIN_STOP, PLAIN_TEMPLATE, default_template};
pub use reasoning::{Pieces, Splitter, Stage, Tags};
pub use tools::{Calls, Format, Offered, ToolCall};

use std::collections::BTreeSet;
use std::fmt;

use minijinja::{Error as JinjaError, ErrorKind as JinjaErrorKind, Value};
use serde_json::Map;

use crate::{Error, ErrorKind, Result};

/// The longest template, in bytes: 16 times the longest known one.
pub const MAX_TEMPLATE_BYTES: usize = 256 << 10;

/// The most steps of the template engine in one rendering: about a second; a long conversation takes some 100,000.
pub const MAX_STEPS: u64 = 10_000_000;

/// The longest output, in bytes: no context takes more.
pub const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// What SmolLM3's template calls the tools that are to be called as JSON.
const XML_TOOLS: &str = "xml_tools";

/// What a template is given besides the messages.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// Whether to end with the beginning of the assistant's message.
    pub add_generation_prompt: bool,
    /// The tools in OpenAI's form; `none` for the template if absent.
    pub tools: Option<serde_json::Value>,
    /// The time for `strftime_now`: seconds since 1970-01-01 00:00 in the time zone to be shown (`Date.now() / 1000`
    /// minus 60 times `getTimezoneOffset()`). Absent, `strftime_now` is undefined, and templates that test for it
    /// write a fixed date or none.
    pub now: Option<i64>,
    /// More variables of the template, for example `enable_thinking` or `documents`; also the place for
    /// `unk_token` and the like. May replace `bos_token`, `eos_token` and `documents`, but none of the above.
    pub extra: Map<String, serde_json::Value>,
}

/// A template that parses, and the special tokens it may write.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    /// Every name in its expressions.
    names: BTreeSet<String>,
    tags: Option<Tags>,
    calls: &'static Format,
    bos: String,
    eos: String,
}

/// The cause of the error when the template itself refuses, by `raise_exception(message)`.
#[derive(Debug)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl ChatTemplate {
    /// Parses `source`; `bos` and `eos` are the texts of those tokens, empty if there are none.
    ///
    /// # Errors
    /// [`ErrorKind::ChatTemplate`] with the line if it does not parse, is nested too deeply, or is above
    /// [`MAX_TEMPLATE_BYTES`].
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        if source.len() > MAX_TEMPLATE_BYTES {
            let detail =
                format!("the chat template has {} bytes; at most {MAX_TEMPLATE_BYTES} are allowed", source.len());
            return Err(Error::new(ErrorKind::ChatTemplate, detail));
        }
        nesting::check(source)?;
        let source = program::unfolded(&generation_tag::strip(source));
        program::compile(&source).map_err(failure)?;
        let (names, tags, calls) = (program::names(&source), Tags::named_in(&source), Format::of(&source));
        Ok(Self { source, names, tags, calls, bos: bos.to_string(), eos: eos.to_string() })
    }

    /// The tags around the reasoning of the model, if the template knows of any.
    pub fn tags(&self) -> Option<Tags> {
        self.tags
    }

    /// How the model writes calls of tools.
    pub fn calls(&self) -> &'static Format {
        self.calls
    }

    /// Checks that the template shows tools to the model, so that they are not ignored.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if it has no variable `tools`.
    pub fn check_tools(&self) -> Result<()> {
        if self.uses("tools") || self.uses(XML_TOOLS) {
            return Ok(());
        }
        let detail =
            "tools are given, but the chat template has no variable of that name; the model was not made for tools";
        Err(Error::new(ErrorKind::InvalidArgument, detail))
    }

    /// Whether this is [`PLAIN_TEMPLATE`].
    pub fn is_plain(&self) -> bool {
        self.source == PLAIN_TEMPLATE
    }

    /// Whether the template looks at the variable `name`.
    pub fn uses(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Checks that the template looks at each of `variables`, so that none is ignored. `enable_thinking: false` asks
    /// nothing of a template that knows of no reasoning.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] with the first that it does not.
    pub fn check_variables(&self, variables: &Map<String, serde_json::Value>) -> Result<()> {
        let is_moot = |name: &str, value| name == "enable_thinking" && value == false && self.tags.is_none();
        match variables.iter().find(|(name, value)| !self.uses(name) && !is_moot(name, *value)) {
            None => Ok(()),
            Some((name, value)) => {
                let detail = format!("{name} is {value}, but the chat template has no variable of that name");
                Err(Error::new(ErrorKind::InvalidArgument, detail))
            }
        }
    }

    /// The prompt for `messages`, an array of `{ "role": ..., "content": ... }` whose members reach the template
    /// untouched, with one exception: a `content` that is a list of texts (`{ "type": "text", "text": ... }`) becomes one
    /// text, a line each, if the template does not take lists.
    ///
    /// # Errors
    /// [`ErrorKind::ChatTemplate`] when the template refuses (then with its own message, and [`Refusal`] as source),
    /// fails, or goes beyond [`MAX_STEPS`] or [`MAX_OUTPUT_BYTES`]; [`ErrorKind::InvalidArgument`] if `messages` is
    /// not an array, has a part that is no text, or `extra` has the name of a field of its own.
    pub fn render(&self, messages: &serde_json::Value, options: &RenderOptions) -> Result<String> {
        if !messages.is_array() {
            return Err(Error::new(ErrorKind::InvalidArgument, "messages must be an array of objects"));
        }
        if content::has_parts(messages)? && !self.takes_parts(options) {
            return self.render_as_is(&content::joined(messages), options);
        }
        self.render_as_is(messages, options)
    }

    /// Whether the template takes a list of parts for content, found out by trying.
    fn takes_parts(&self, options: &RenderOptions) -> bool {
        self.render_as_is(&content::probe(), options).is_ok_and(|prompt| content::is_taken(&prompt))
    }

    fn render_as_is(&self, messages: &serde_json::Value, options: &RenderOptions) -> Result<String> {
        let context = self.context(messages, options)?;
        let environment = environment::new(options.now);
        let program = program::compile(&self.source).map_err(failure)?;
        program::run(&program, &environment, context).map_err(failure)
    }

    fn context(&self, messages: &serde_json::Value, options: &RenderOptions) -> Result<Value> {
        let mut context = Map::new();
        context.insert("bos_token".into(), self.bos.clone().into());
        context.insert("eos_token".into(), self.eos.clone().into());
        context.insert("documents".into(), serde_json::Value::Null);
        context.extend(options.extra.clone());
        let own = [
            ("messages", messages.clone()),
            ("tools", options.tools.clone().unwrap_or_default()),
            ("add_generation_prompt", options.add_generation_prompt.into()),
        ];
        // under the name that the template has for it
        if let Some(tools) = options.tools.as_ref().filter(|_| self.uses(XML_TOOLS) && !self.uses("tools")) {
            context.insert(XML_TOOLS.into(), tools.clone());
        }
        for (name, value) in own {
            if context.insert(name.into(), value).is_some() {
                let detail = format!("extra has {name:?}; it has a field of its own");
                return Err(Error::new(ErrorKind::InvalidArgument, detail));
            }
        }
        Ok(Value::from_serialize(context))
    }
}

/// The crate's error for one of the engine's: the template's own message if it refused, else what and where.
fn failure(error: JinjaError) -> Error {
    let detail = match refusal(&error) {
        Some(message) => message.to_string(),
        None if error.kind() == JinjaErrorKind::OutOfFuel => {
            format!("the chat template took more than {MAX_STEPS} steps and was stopped")
        }
        None => format!("the chat template failed: {error}"),
    };
    Error::new(ErrorKind::ChatTemplate, detail).with_source(error)
}

/// The message of `raise_exception`, wherever in the chain of causes it is.
fn refusal(error: &JinjaError) -> Option<&str> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Refusal(message)) = error.downcast_ref() {
            return Some(message);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
