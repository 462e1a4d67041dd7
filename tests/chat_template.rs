//! Chat templates against jinja2: `tests/goldens/chat`, byte for byte.
//!
//! `PAGELM_CHAT_GOLDENS` names another folder of the same form; there, failures of jinja2 itself (kind `runtime`) may
//! succeed here, since this crate may be more lenient.

use std::fs;
use std::path::PathBuf;

use pagelm::chat::{ChatTemplate, RenderOptions};
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
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json") && path.with_extension("jinja").exists());
    paths.sort();
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
