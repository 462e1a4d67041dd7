//! Chat templates against jinja2: `tests/goldens/chat`, byte for byte.
//!
//! `PAGELM_CHAT_GOLDENS` names another folder of the same form; there, failures of jinja2 itself (kind `runtime`) may
//! succeed here, since this crate may be more lenient.

use std::fs;
use std::path::PathBuf;

use pagelm::chat::{Calls, ChatTemplate, Offered, RenderOptions};
use serde_json::Value;

/// `inputs.json` says 2026-03-14T09:26:53.
const NOW: i64 = 1_773_480_413;

fn folder() -> PathBuf {
    let own = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/chat").into();
    std::env::var("PAGELM_CHAT_GOLDENS").unwrap_or_else(|_| own()).into()
}

fn json(path: PathBuf) -> Value {
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The vectors of each template.
fn paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json") && path.with_extension("jinja").exists());
    paths.sort();
    paths
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn options(input: &Value, special_tokens: &Value) -> RenderOptions {
    let mut extra = special_tokens.as_object().unwrap().clone();
    extra.extend(input.as_object().unwrap().clone());
    for own in ["name", "messages", "tools", "add_generation_prompt", "bos_token", "eos_token"] {
        extra.remove(own);
    }
    RenderOptions {
        add_generation_prompt: input["add_generation_prompt"] == true,
        tools: input.get("tools").cloned(),
        now: Some(NOW),
        extra,
    }
}

/// What differs, or nothing.
fn compare(case: &Value, result: pagelm::Result<String>) -> Option<String> {
    let error = &case["error"];
    match (case["expected"].as_str(), result) {
        (Some(expected), Ok(text)) if expected == text => None,
        (Some(expected), other) => Some(format!("expected {expected:?}\n     got {other:?}")),
        (None, Err(e)) if text(error, "kind") == "raise_exception" => {
            (e.detail() != text(error, "message")).then(|| format!("expected the refusal {error}, got {e}"))
        }
        (None, Ok(text)) if error["kind"] == "raise_exception" => Some(format!("expected {error}, got {text:?}")),
        (None, _) => None,
    }
}

/// (cases, differences) of one template.
fn run(vectors: &Value, inputs: &Value) -> (usize, Vec<String>) {
    let source = fs::read_to_string(folder().join(text(vectors, "template"))).unwrap();
    let special = &vectors["special_tokens"];
    let template = ChatTemplate::new(&source, text(special, "bos_token"), text(special, "eos_token"));
    let cases = vectors["cases"].as_array().unwrap();
    let differences = cases.iter().filter_map(|case| {
        let input = inputs["inputs"].as_array().unwrap().iter().find(|input| input["name"] == case["input"]).unwrap();
        let result = match &template {
            Ok(template) => template.render(&input["messages"], &options(input, special)),
            Err(e) => Err(pagelm::Error::new(e.kind(), e.detail())),
        };
        compare(case, result).map(|difference| format!("{} {}: {difference}", vectors["template"], case["input"]))
    });
    (cases.len(), differences.collect())
}

#[test]
fn every_case_equals_jinja2() {
    let inputs = json(folder().join("inputs.json"));
    let paths = paths();
    let (mut count, mut differences) = (0, Vec::new());
    for path in &paths {
        let (cases, different) = run(&json(path.clone()), &inputs);
        assert!(cases > 0, "{} has no cases", path.display());
        count += cases;
        differences.extend(different);
    }
    println!("{} templates, {count} cases, {} differences", paths.len(), differences.len());
    assert!(differences.is_empty(), "{} of {count} cases differ:\n{}", differences.len(), differences.join("\n"));
    let listed = json(folder().join("index.json"))["templates"].as_array().unwrap().clone();
    let number = |name: &str| listed.iter().map(|t| t[name].as_u64().unwrap()).sum::<u64>() as usize;
    assert_eq!(
        (paths.len(), count),
        (listed.len(), number("ok") + number("errors")),
        "files and cases, and those in the index"
    );
    assert!(listed.len() >= 43 && count >= 387, "only {count} cases of {} templates", listed.len());
}

#[test]
fn the_comparison_can_fail() {
    let inputs = json(folder().join("inputs.json"));
    let mut vectors = json(folder().join("smollm2-135m.json"));
    let cases = vectors["cases"].as_array_mut().unwrap();
    cases[0]["expected"] = (text(&cases[0], "expected").to_string() + " ").into();
    cases[1] = serde_json::json!({ "input": "user", "error": { "kind": "raise_exception", "message": "no" } });
    assert_eq!(run(&vectors, &inputs).1.len(), 2);
}

/// Templates whose calls are not read: channels of gpt-oss and muse, nested marks, no marks at all, and templates that write
/// nothing for calls or (Command R+) something else after the turn.
const UNREAD: [&str; 10] = [
    "CohereForAI-c4ai-command-r-plus-tool_use",
    "GigaChat3-10B-A1.8B",
    "Kimi-K3",
    "LFM2-8B-A1B",
    "MiniMax-M3",
    "deepseek-ai-DeepSeek-V4",
    "ibm-granite-granite-3.3-2B-Instruct",
    "muse-glimmer",
    "openai-gpt-oss-120b",
    "GigaChat3.1-10B-A1.8B two_calls", // writes the first one only
];

/// What a template writes for calls in a conversation is what its model writes: the calls come back from it.
#[test]
fn calls_are_read_as_each_template_writes_them() {
    let inputs = json(folder().join("inputs.json"));
    let mut read = 0;
    for path in paths() {
        let vectors = json(path.clone());
        let source = fs::read_to_string(folder().join(text(&vectors, "template"))).unwrap();
        let special = &vectors["special_tokens"];
        let template = ChatTemplate::new(&source, text(special, "bos_token"), text(special, "eos_token")).unwrap();
        let with_calls =
            inputs["inputs"].as_array().unwrap().iter().filter(|i| calls_of(i).is_some() && i.get("tools").is_some());
        for input in with_calls.filter(|_| template.uses("tools")) {
            let case = format!("{} {}", path.file_stem().unwrap().display(), text(input, "name"));
            if UNREAD.iter().any(|name| case.starts_with(name)) {
                continue;
            }
            let Some(answer) = answer_with_calls(&template, input, special) else {
                println!("{case}: the template refuses it");
                continue;
            };
            assert_eq!(calls_in(&template, &answer, &input["tools"]), calls_of(input).unwrap(), "{case}: {answer:?}");
            read += 1;
        }
    }
    println!("{read} turns with calls are read");
    assert!(read >= 48, "{read}");
}

fn calls_in(template: &ChatTemplate, answer: &str, tools: &Value) -> Vec<(String, Value)> {
    let mut splitter = Calls::new(template.calls(), Offered::new(tools));
    let (_, mut calls) = splitter.push(answer);
    calls.extend(splitter.finish().1);
    calls.into_iter().map(|call| (call.name, serde_json::from_str(&call.arguments).unwrap())).collect()
}

fn calls_of(input: &Value) -> Option<Vec<(String, Value)>> {
    let calls = input["messages"].as_array()?.iter().find_map(|m| m["tool_calls"].as_array())?;
    let functions = calls.iter().map(|call| &call["function"]);
    Some(functions.map(|f| (text(f, "name").to_owned(), f["arguments"].clone())).collect())
}

/// What the template writes for the turn with the calls, without what begins and ends every turn.
fn answer_with_calls(template: &ChatTemplate, input: &Value, special: &Value) -> Option<String> {
    let messages = input["messages"].as_array()?;
    let turn = messages.iter().position(|m| m["tool_calls"].is_array())?;
    let render = |messages: &[Value], add_generation_prompt: bool| {
        let options = RenderOptions { add_generation_prompt, ..options(input, special) };
        template.render(&messages.into(), &options).ok()
    };
    let before = render(&messages[..turn], true)?;
    let with_calls = render(&messages[..=turn], false)?;
    let answer = serde_json::json!({ "role": "assistant", "content": "WORDS" });
    let plain = render(&[&messages[..turn], &[answer]].concat(), false)?;
    let shared: usize =
        before.chars().zip(with_calls.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    // a prompt that opens the reasoning may share the beginning of a mark with the calls
    let start = if shared == before.len() { shared } else { with_calls[..shared].rfind(['<', '\n']).unwrap_or(shared) };
    let (answer, end) = (&with_calls[start..], plain.rsplit_once("WORDS")?.1);
    Some(answer.strip_suffix(end).unwrap_or(answer).to_owned())
}
