//! Calls whose names and arguments stand between marks of their own.

use serde_json::Map;

use super::json::{calls, object, tool_call};
use super::{Offered, ToolCall};

/// The parts of `body` that each begin with `mark`, if nothing but white space is before the first.
fn parts<'a>(body: &'a str, mark: &'a str) -> Option<impl Iterator<Item = &'a str>> {
    let mut parts = body.split(mark);
    let is_first = parts.next()?.trim().is_empty();
    is_first.then_some(parts)
}

fn at_least_one(calls: Option<Vec<ToolCall>>) -> Option<Vec<ToolCall>> {
    calls.filter(|calls| !calls.is_empty())
}

/// Kimi: `<|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{...}<|tool_call_end|>`, any number of them.
pub(super) fn kimi(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let calls = parts(body, "<|tool_call_begin|>")?.map(|part| {
        let (id, rest) = part.split_once("<|tool_call_argument_begin|>")?;
        let (arguments, end) = rest.split_once("<|tool_call_end|>")?;
        let id = id.trim();
        let name = id.strip_prefix("functions.").unwrap_or(id);
        let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
        end.trim().is_empty().then(|| tool_call(Some(id), name, &object(arguments)?))?
    });
    at_least_one(calls.collect())
}

/// Solar: `<|tool_call:begin|>ID<|tool_call:name|>NAME<|tool_call:args|>{...}<|tool_call:end|>`, any number of them.
pub(super) fn solar(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let calls = parts(body, "<|tool_call:begin|>")?.map(|part| {
        let (id, rest) = part.split_once("<|tool_call:name|>")?;
        let (name, rest) = rest.split_once("<|tool_call:args|>")?;
        let (arguments, end) = rest.split_once("<|tool_call:end|>")?;
        end.trim().is_empty().then(|| tool_call(Some(id.trim()), name.trim(), &object(arguments)?))?
    });
    at_least_one(calls.collect())
}

/// DeepSeek: `<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME`, the arguments in a block of code, `<｜tool▁call▁end｜>`.
pub(super) fn deepseek(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let calls = parts(body, "<｜tool▁call▁begin｜>")?.map(|part| {
        let (kind, rest) = part.split_once("<｜tool▁sep｜>")?;
        let (inside, end) = rest.split_once("<｜tool▁call▁end｜>")?;
        let (name, code) = inside.split_once("```json")?;
        let arguments = code.trim_end().strip_suffix("```")?;
        let is_whole = kind == "function" && end.trim().is_empty();
        is_whole.then(|| tool_call(None, name.trim(), &object(arguments)?))?
    });
    at_least_one(calls.collect())
}

/// MiniCPM: `<function name="NAME">`, for each argument `<param name="KEY">VALUE</param>`, then `</function>`; the outer
/// marks are gone already.
pub(super) fn function_with_params(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    let (name, inside) = body.split_once("\">")?;
    let mut arguments = Map::new();
    for part in parts(inside, "<param name=\"")? {
        let (key, rest) = part.split_once("\">")?;
        let (value, end) = rest.split_once("</param>")?;
        if !end.trim().is_empty() {
            return None;
        }
        arguments.insert(key.to_owned(), offered.value(name, key, value));
    }
    Some(vec![tool_call(None, name, &arguments)?])
}

/// Mistral: a list of objects, or `NAME[ARGS]{...}` with `[TOOL_CALLS]` between them and perhaps `[CALL_ID]ID`.
pub(super) fn mistral(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    if body.trim_start().starts_with('[') {
        return calls(body, offered);
    }
    let calls = body.split("[TOOL_CALLS]").map(|part| {
        let (head, arguments) = part.split_once("[ARGS]")?;
        let (name, id) = head.split_once("[CALL_ID]").map_or((head, None), |(name, id)| (name, Some(id.trim())));
        tool_call(id, name.trim(), &object(arguments)?)
    });
    at_least_one(calls.collect())
}

/// Functionary: `<function=NAME>{...}</function>`; the outer marks are gone already.
pub(super) fn function_with_json(body: &str, _: &Offered) -> Option<Vec<ToolCall>> {
    let (name, arguments) = body.split_once('>')?;
    Some(vec![tool_call(None, name, &object(arguments)?)?])
}

/// Qwen 3 Coder: `<function=NAME>`, for each argument `<parameter=KEY>`, a line break, the value, a line break and
/// `</parameter>`, then `</function>`.
pub(super) fn functions(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    let calls = parts(body, "<function=")?.map(|part| {
        let (name, rest) = part.split_once('>')?;
        let (inside, end) = rest.split_once("</function>")?;
        let mut arguments = Map::new();
        for parameter in parts(inside, "<parameter=")? {
            let (key, rest) = parameter.split_once('>')?;
            let (value, end) = rest.split_once("</parameter>")?;
            if !end.trim().is_empty() {
                return None;
            }
            arguments.insert(key.to_owned(), offered.value(name, key, without_line_breaks(value)));
        }
        end.trim().is_empty().then(|| tool_call(None, name, &arguments))?
    });
    at_least_one(calls.collect())
}

/// A value without the line breaks of its tags.
fn without_line_breaks(value: &str) -> &str {
    let value = value.strip_prefix('\n').unwrap_or(value);
    value.strip_suffix('\n').unwrap_or(value)
}

/// GLM: the name, then for each argument `<arg_key>KEY</arg_key>` and `<arg_value>VALUE</arg_value>`.
pub(super) fn pairs(body: &str, offered: &Offered) -> Option<Vec<ToolCall>> {
    let mut pieces = body.split("<arg_key>");
    let name = pieces.next()?.trim();
    let mut arguments = Map::new();
    for piece in pieces {
        let (key, rest) = piece.split_once("</arg_key>")?;
        let value = rest.trim_start().strip_prefix("<arg_value>")?;
        let (value, end) = value.split_once("</arg_value>")?;
        if !end.trim().is_empty() {
            return None;
        }
        arguments.insert(key.trim().to_owned(), offered.value(name, key.trim(), value));
    }
    Some(vec![tool_call(None, name, &arguments)?])
}
