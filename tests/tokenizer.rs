//! The tokenizer against llama.cpp: `tests/goldens/tokenizers`, every id and every byte.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use pagelm::tokenizer::{Detokenizer, Tokenizer, Vocabulary};
use serde_json::Value;

mod reader;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tokenizers").join(name)
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The tokenizer of a vocabulary-only GGUF file.
fn tokenizer(name: &str) -> Tokenizer {
    let mut bytes = Vec::new();
    let packed = read(&golden(&format!("ggml-vocab-{name}.gguf.gz")));
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    Tokenizer::new(vocabulary(&bytes)).unwrap()
}

/// The tokenizer of the small model that the tests run.
fn smollm2() -> Tokenizer {
    let path = std::env::var("PAGELM_MODEL")
        .map(PathBuf::from)
        .unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    let bytes = fs::read(&path).unwrap_or_else(|e| {
        panic!("{}: {e}. `make model` gets the model; PAGELM_MODEL names a copy elsewhere.", path.display())
    });
    Tokenizer::new(vocabulary(&bytes)).unwrap()
}

fn vocabulary(gguf: &[u8]) -> Vocabulary {
    reader::vocabulary(gguf)
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

/// What differs in one case; `detok` tells whether the vocabulary leaves the spaces before punctuation alone.
fn compare(tokenizer: &Tokenizer, case: &Value, detok: bool) -> Vec<String> {
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
    for (name, show_control) in [("ids_full", true), ("ids_plain", false)] {
        let ids = ids(case, name);
        let whole = tokenizer.decode(&ids, show_control).unwrap();
        let mut stream = Detokenizer::new(tokenizer, show_control);
        let mut streamed: String = ids.iter().map(|&id| stream.push(&tokenizer, id).unwrap()).collect();
        streamed += &stream.finish();
        let expected = bytes(&case[name.replace("ids", "detok")]);
        if streamed != whole || detok && whole != String::from_utf8_lossy(&expected) {
            differences.push(format!("text of {name} of {text:?}: {whole:?}, streamed {streamed:?}"));
        }
    }
    differences
}

fn cases(name: &str) -> Vec<Value> {
    let lines: Value = serde_json::from_slice(&read(&golden(&format!("{name}.lines.json")))).unwrap();
    lines["cases"].as_array().unwrap().clone()
}

fn check_lines(tokenizer: &Tokenizer, name: &str, detok: bool) {
    let cases = cases(name);
    let differences: Vec<String> = cases.iter().flat_map(|case| compare(tokenizer, case, detok)).collect();
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

#[test]
fn smollm2_equals_llama_cpp() {
    let tokenizer = smollm2();
    check_lines(&tokenizer, "smollm2-135m", true);
    assert_eq!(tokenizer.end_of_generation().collect::<Vec<_>>(), [0, 2, 4]);
}

// llama_detokenize removes spaces before punctuation for gpt-2 and llama-bpe; this crate never does

#[test]
fn gpt2_equals_llama_cpp() {
    let tokenizer = tokenizer("gpt-2");
    check_lines(&tokenizer, "gpt-2", false);
    check_inp_out(&tokenizer, "gpt-2");
}

#[test]
fn llama_bpe_equals_llama_cpp() {
    let tokenizer = tokenizer("llama-bpe");
    check_lines(&tokenizer, "llama-bpe", false);
    check_inp_out(&tokenizer, "llama-bpe");
}

#[test]
fn qwen2_equals_llama_cpp() {
    let tokenizer = tokenizer("qwen2");
    check_lines(&tokenizer, "qwen2", true);
    check_inp_out(&tokenizer, "qwen2");
}

#[test]
fn the_comparison_can_fail() {
    let tokenizer = tokenizer("gpt-2");
    let case = &cases("gpt-2")[3];
    assert!(compare(&tokenizer, case, false).is_empty());
    for (name, value) in [("ids_full", "ids_plain"), ("pieces_full", "text"), ("detok_full", "text")] {
        let mut wrong = case.clone();
        match name {
            "ids_full" => wrong[name].as_array_mut().unwrap().push(0.into()),
            _ => wrong[name] = (case[value].as_str().unwrap().to_string() + "x").into(),
        }
        assert!(!compare(&tokenizer, &wrong, true).is_empty(), "a wrong {name} passed");
    }
}
