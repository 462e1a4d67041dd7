//! The calls of tools that a model writes into its answer, told apart from the text.
//!
//! How a model writes them is read from its template, as with reasoning: the template names the marks. What stands between
//! marks and is not well-formed is text, and reaches the reader as it was written.
//!
//! Formats: Hermes and Qwen (JSON between `<tool_call>` tags), Qwen 3 Coder, Seed and Step (`<function=name>`), GLM
//! (`<arg_key>`), Llama 3 (a bare object, or one behind `<|python_tag|>`), Mistral (`[TOOL_CALLS]`), Kimi, Solar, Command R,
//! DeepSeek, Gemma 4, LFM2, MiniCPM, Granite, MiniMax M1, GigaChat, FireFunction and Functionary, each as its own template in `tests/goldens/chat` writes it.

mod gemma;
mod json;
mod marked;
mod offered;
mod python;
mod splitter;

pub use offered::Offered;
pub use splitter::Calls;

/// A call that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The model's own name for the call, if it gave one.
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments: String,
}

/// What stands between the marks to calls; `None` where it is no call.
type Parse = fn(&str, &Offered) -> Option<Vec<ToolCall>>;

/// How a model writes calls.
#[derive(Debug)]
pub struct Format {
    /// A template that has all of these writes calls so.
    named: &'static [&'static str],
    /// Before a call, or before several.
    open: &'static str,
    /// After it; empty if calls go on to the end of the answer.
    close: &'static str,
    /// Further marks in between.
    inner: &'static [&'static str],
    parse: Parse,
    /// Calls need no mark: an answer that begins with an object may be one, if it names a tool that is offered.
    is_bare: bool,
}

const fn format(
    named: &'static [&'static str],
    open: &'static str,
    close: &'static str,
    inner: &'static [&'static str],
    parse: Parse,
) -> Format {
    Format { named, open, close, inner, parse, is_bare: false }
}

const KIMI: [&str; 3] = ["<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"];
const SOLAR: [&str; 4] = ["<|tool_call:begin|>", "<|tool_call:name|>", "<|tool_call:args|>", "<|tool_call:end|>"];
const DEEPSEEK: [&str; 3] = ["<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"];
const MISTRAL: [&str; 2] = ["[ARGS]", "[CALL_ID]"];

/// The first one that fits is taken, so what says more about a template stands before what says less.
static FORMATS: [Format; 19] = [
    format(
        &["<|tool_calls_section_begin|>"],
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        &KIMI,
        marked::kimi,
    ),
    format(&["<|tool_call:begin|>"], "<|tool_calls|>", "<|calls|>", &SOLAR, marked::solar),
    format(&["<｜tool▁calls▁begin｜>"], "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", &DEEPSEEK, marked::deepseek),
    format(&["<|tool_call>call:"], "<|tool_call>", "<tool_call|>", &["<|\"|>"], gemma::call),
    format(&["<function name="], "<function name=\"", "</function>", &[], marked::function_with_params),
    format(&["<|tool_list_start|>"], "<|tool_call_start|>", "<|tool_call_end|>", &[], python::calls),
    format(&["<|START_ACTION|>"], "<|START_ACTION|>", "<|END_ACTION|>", &[], json::calls),
    format(&["[TOOL_CALLS]"], "[TOOL_CALLS]", "", &MISTRAL, marked::mistral),
    format(&["functools["], "functools[", "", &[], json::rest_of_list),
    format(&["<|function_call|>"], "<|function_call|>", "", &[], json::calls),
    format(&["<|tool_call|>"], "<|tool_call|>", "", &[], json::calls),
    format(&["<seed:tool_call>"], "<seed:tool_call>", "</seed:tool_call>", &[], marked::functions),
    format(&["<tool_call>", "<arg_key>"], "<tool_call>", "</tool_call>", &[], marked::pairs),
    format(&["<tool_call>", "<function="], "<tool_call>", "</tool_call>", &[], marked::functions),
    format(&["<tool_calls>"], "<tool_calls>", "</tool_calls>", &[], json::calls),
    format(&["<tool_call>"], "<tool_call>", "</tool_call>", &[], json::calls),
    format(&["<function="], "<function=", "</function>", &[], marked::function_with_json),
    format(&["Action:", "```json"], "Action:", "", &[], json::fenced),
    Format {
        named: &["{\"name\": ", "\"parameters\": "],
        open: "<|python_tag|>",
        close: "",
        inner: &[],
        parse: json::offered_calls,
        is_bare: true,
    },
];

/// For a template that takes tools and names no mark: the most common format.
static USUAL: Format = format(&[], "<tool_call>", "</tool_call>", &[], json::calls);

impl Format {
    /// How a model with this template writes calls.
    pub fn of(source: &str) -> &'static Self {
        FORMATS.iter().find(|format| format.named.iter().all(|name| source.contains(name))).unwrap_or(&USUAL)
    }

    /// Its marks; in a vocabulary they may be special tokens, which have no text of their own.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.open, self.close].into_iter().filter(|mark| !mark.is_empty()).chain(self.inner.iter().copied())
    }
}

#[cfg(test)]
mod tests;
