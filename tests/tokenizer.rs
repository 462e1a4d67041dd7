//! The tokenizer against llama.cpp: `tests/goldens/tokenizers`, every id and every byte.

#[path = "tokenizer/clean_spaces.rs"]
mod clean_spaces;
#[path = "tokenizer/vocabularies.rs"]
mod vocabularies;

use clean_spaces::clean_spaces;
use pagelm::tokenizer::{Detokenizer, Tokenizer};
use serde_json::Value;
use vocabularies::{GEMMA, SMOLLM2, golden, model, project, read, tokenizer, vocabulary};

/// What `llama_detokenize` does to the spaces before punctuation; llama.cpp decides by the pre-tokenizer's name.
#[derive(Clone, Copy)]
enum Spaces {
    Kept,
    Cleaned,
}

fn ids(case: &Value, name: &str) -> Vec<u32> {
    let ids = case[name].as_array().unwrap_or_else(|| panic!("no {name}"));
    ids.iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A string, or `{"hex": ...}` for what is not UTF-8.
fn bytes(value: &Value) -> Vec<u8> {
    match (value.as_str(), value["hex"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
        _ => panic!("{value} is neither a string nor hex"),
    }
}

/// The text of `ids` as a whole, if it is the same piece by piece.
fn decoded(tokenizer: &Tokenizer, ids: &[u32], show_control: bool) -> Result<Vec<u8>, String> {
    let whole = tokenizer.decode(ids, show_control).unwrap();
    let mut stream = Detokenizer::at_start(show_control);
    let mut streamed: String = ids.iter().map(|&id| stream.push(tokenizer, id).unwrap()).collect();
    streamed += &stream.finish();
    let bytes = tokenizer.decode_bytes(ids, show_control).unwrap();
    if streamed != whole || whole != String::from_utf8_lossy(&bytes) {
        return Err(format!("{whole:?}, but in parts {streamed:?} and in bytes {bytes:x?}"));
    }
    Ok(bytes)
}

/// What differs in one case.
fn compare(tokenizer: &Tokenizer, case: &Value, spaces: Spaces) -> Vec<String> {
    let text = case["text"].as_str().unwrap();
    let mut differences = Vec::new();
    for (name, add_special, parse_special) in
        [("ids_full", true, true), ("ids_parse", false, true), ("ids_plain", false, false)]
    {
        let (expected, got) = (ids(case, name), tokenizer.encode(text, add_special, parse_special).unwrap());
        if expected != got {
            differences.push(format!("{name} of {text:?}:\n  {expected:?}\n  {got:?}"));
        }
    }
    let full = ids(case, "ids_full");
    let pieces: Vec<u8> = full.iter().flat_map(|&id| tokenizer.piece(id).unwrap().to_vec()).collect();
    if pieces != bytes(&case["pieces_full"]) {
        differences.push(format!("pieces of {text:?}: {:?}", String::from_utf8_lossy(&pieces)));
    }
    for (name, show_control) in [("full", true), ("plain", false)] {
        let expected = bytes(&case[format!("detok_{name}")]);
        let got = decoded(tokenizer, &ids(case, &format!("ids_{name}")), show_control).map(|bytes| match spaces {
            Spaces::Kept => bytes,
            Spaces::Cleaned => clean_spaces(&bytes),
        });
        if got.as_ref() != Ok(&expected) {
            let expected = String::from_utf8_lossy(&expected);
            differences.push(format!("text of ids_{name} of {text:?}: {expected:?}, got {got:x?}"));
        }
    }
    differences
}

fn cases(name: &str) -> Vec<Value> {
    let lines: Value = serde_json::from_slice(&read(&golden(&format!("{name}.lines.json")))).unwrap();
    lines["cases"].as_array().unwrap().clone()
}

fn check_lines(tokenizer: &Tokenizer, name: &str, spaces: Spaces) {
    let cases = cases(name);
    let differences: Vec<String> = cases.iter().flat_map(|case| compare(tokenizer, case, spaces)).collect();
    assert!(differences.is_empty(), "{name}: {} differences\n{}", differences.len(), differences.join("\n"));
    assert_eq!(cases.len(), 150);
}

/// The `.inp` and `.out` files of llama.cpp: texts, and a line of ids for each.
fn check_inp_out(tokenizer: &Tokenizer, name: &str) {
    let file = |end| String::from_utf8(read(&golden(&format!("ggml-vocab-{name}.gguf.{end}")))).unwrap();
    let (inp, out) = (file("inp"), file("out"));
    let (texts, lines): (Vec<&str>, Vec<&str>) =
        (inp.split("\n__ggml_vocab_test__\n").collect(), out.lines().collect());
    let mut count = 0;
    for (text, line) in texts.iter().zip(&lines) {
        let expected: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(tokenizer.encode(text, false, false).unwrap(), expected, "{name}: {text:?}");
        count += 1;
    }
    assert_eq!((count, lines.len()), (46, 46), "{name}: {} texts", texts.len());
}

fn check_vocabulary(name: &str, spaces: Spaces) {
    let tokenizer = tokenizer(&vocabulary(name));
    check_lines(&tokenizer, name, spaces);
    check_inp_out(&tokenizer, name);
}

#[test]
fn smollm2_equals_llama_cpp() {
    let tokenizer = tokenizer(&model(&SMOLLM2));
    check_lines(&tokenizer, "smollm2-135m", Spaces::Kept);
    assert_eq!(tokenizer.end_of_generation().collect::<Vec<_>>(), [0, 2, 4]);
}

#[test]
fn gemma3_equals_llama_cpp() {
    let tokenizer = tokenizer(&model(&GEMMA));
    check_lines(&tokenizer, "gemma-3-270m", Spaces::Kept);
    assert_eq!(tokenizer.end_of_generation().collect::<Vec<_>>(), [1, 106, 212]);
}

#[test]
fn llama_spm_equals_llama_cpp() {
    check_vocabulary("llama-spm", Spaces::Kept);
}

#[test]
fn phi3_equals_llama_cpp() {
    check_vocabulary("phi-3", Spaces::Kept);
}

#[test]
fn gpt2_equals_llama_cpp() {
    check_vocabulary("gpt-2", Spaces::Cleaned);
}

#[test]
fn llama_bpe_equals_llama_cpp() {
    check_vocabulary("llama-bpe", Spaces::Cleaned);
}

#[test]
fn qwen2_equals_llama_cpp() {
    check_vocabulary("qwen2", Spaces::Kept);
}

/// The tokenizers of the small models that the tests run; some texts, each with the flags that llama.cpp was given.
#[test]
fn tiny_models_equal_llama_cpp() {
    let folders = std::fs::read_dir(project("tests/goldens/tiny")).unwrap().map(|entry| entry.unwrap().path());
    let (mut models, mut count) = (0, 0);
    for folder in folders.filter(|path| path.is_dir()) {
        let tokenizer = tokenizer(&read(&folder.join("model.gguf")));
        let expected: Value = serde_json::from_slice(&read(&folder.join("expected.json"))).unwrap();
        // models of our own were never in llama.cpp
        let Some(samples) = expected["tokenizer"]["samples"].as_array() else { continue };
        models += 1;
        for sample in samples {
            let flag = |name: &str| sample[name].as_bool().unwrap();
            let text = sample["text"].as_str().unwrap();
            let got = tokenizer.encode(text, flag("add_special"), flag("parse_special")).unwrap();
            assert_eq!(got, ids(sample, "ids"), "{}: {text:?}", folder.display());
            let pieces: Vec<u8> = got.iter().flat_map(|&id| tokenizer.piece(id).unwrap().to_vec()).collect();
            assert_eq!(pieces, bytes(&sample["pieces"]), "{}: {text:?}", folder.display());
            assert_eq!(
                decoded(&tokenizer, &got, true).unwrap(),
                bytes(&sample["detok"]),
                "{}: {text:?}",
                folder.display()
            );
            count += 1;
        }
    }
    assert!(models >= 22 && count >= models * 29, "only {count} samples of {models} models");
}

#[test]
fn the_comparison_can_fail() {
    for name in ["gpt-2", "phi-3"] {
        let tokenizer = tokenizer(&vocabulary(name));
        let case = &cases(name)[3];
        assert_eq!(compare(&tokenizer, case, Spaces::Kept), [""; 0]);
        for (name, value) in [("ids_full", "ids_plain"), ("pieces_full", "text"), ("detok_full", "text")] {
            let mut wrong = case.clone();
            match name {
                "ids_full" => wrong[name].as_array_mut().unwrap().push(0.into()),
                _ => wrong[name] = (case[value].as_str().unwrap().to_string() + "x").into(),
            }
            assert!(!compare(&tokenizer, &wrong, Spaces::Kept).is_empty(), "a wrong {name} passed");
        }
    }
}
