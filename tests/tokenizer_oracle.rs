//! The tokenizer against llama.cpp itself, on random text. It needs Python with llama.cpp in it, so it is only run when
//! asked for:
//!
//! ```sh
//! pip install gguf==0.19.0 xllamacpp==2026.10.11549 numpy
//! PAGELM_ORACLE_PYTHON=python cargo test --test tokenizer_oracle -- --ignored --test-threads=1
//! ```
//!
//! `PAGELM_ORACLE_SEED` is another seed, `PAGELM_ORACLE_TEXTS` the number of texts for each vocabulary, `PAGELM_ORACLE_PRE`
//! the pre-tokenizers to try instead of all.

#[path = "tokenizer/random_text.rs"]
mod random_text;
#[path = "tokenizer/vocabularies.rs"]
mod vocabularies;
#[path = "tokenizer/write_gguf.rs"]
mod write_gguf;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pagelm::gguf::{Header, Parsed};
use pagelm::tokenizer::{Tokenizer, Vocabulary};
use random_text::{Random, random_text};
use serde_json::{Value, json};
use vocabularies::{GEMMA, Model, SMOLLM2, model_path, project, read, vocabulary};
use write_gguf::Writer;

/// llama.cpp in a Python process.
struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    fn start(file: &Path, pre: Option<&str>) -> Self {
        let python =
            std::env::var("PAGELM_ORACLE_PYTHON").expect("PAGELM_ORACLE_PYTHON names no Python with xllamacpp");
        let mut command = Command::new(python);
        command.arg(project("tests/tokenizer/oracle.py")).arg(file);
        command.args(pre.map(|pre| format!("--set=tokenizer.ggml.pre={pre}")));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (questions, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut oracle = Self { process, questions, answers };
        assert_eq!(oracle.answer(), json!({ "ready": true }), "{}", file.display());
        oracle
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the oracle said {line:?}: {e}"))
    }

    /// The ids and the bytes of their pieces.
    fn encode(&mut self, text: &str, add_special: bool, parse_special: bool) -> (Vec<u32>, Vec<u8>) {
        let question = json!({ "content": text, "add_special": add_special, "parse_special": parse_special });
        writeln!(self.questions, "{question}").unwrap();
        let answer = self.answer();
        let tokens = answer["tokens"].as_array().unwrap_or_else(|| panic!("{text:?}: {answer}"));
        let byte = |byte: &Value| byte.as_u64().unwrap() as u8;
        let piece = |token: &Value| match &token["piece"] {
            Value::String(piece) => piece.clone().into_bytes(),
            bytes => bytes.as_array().unwrap().iter().map(byte).collect(),
        };
        let ids = tokens.iter().map(|token| token["id"].as_u64().unwrap() as u32).collect();
        (ids, tokens.iter().flat_map(piece).collect())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// The tokenizer of a file, perhaps with another pre-tokenizer, and the texts of its special tokens.
fn tokenizer(gguf: &[u8], pre: Option<&str>) -> (Tokenizer, Vec<String>) {
    let mut gguf = gguf.to_vec();
    gguf[8..16].fill(0); // no tensors
    let Parsed::Complete(header) = Header::parse(&gguf, gguf.len() as u64).unwrap() else { panic!("cut short") };
    let mut vocabulary = Vocabulary::from_metadata(&header.metadata).unwrap();
    if let Some(pre) = pre {
        vocabulary.pre = pre.into();
    }
    let special =
        vocabulary.tokens.iter().zip(vocabulary.token_types.iter()).filter(|&(_, &kind)| matches!(kind, 2..=4));
    let special = special.map(|(token, _)| token.clone()).collect();
    (Tokenizer::new(vocabulary).unwrap(), special)
}

/// Asks both about random texts; returns how many were equal.
fn compare(name: &str, gguf: &[u8], file: &Path, pre: Option<&str>, texts: u64) -> usize {
    let ((tokenizer, special), mut oracle) = (tokenizer(gguf, pre), Oracle::start(file, pre));
    let mut random = Random(setting("PAGELM_ORACLE_SEED", 1) ^ name.len() as u64);
    let mut differences = Vec::new();
    for _ in 0..texts {
        let text = random_text(&mut random, &special);
        for (add, parse) in [(true, true), (false, true), (false, false)] {
            let (ids, bytes) = oracle.encode(&text, add, parse);
            let got = tokenizer.encode(&text, add, parse).unwrap();
            let pieces: Vec<u8> = got.iter().flat_map(|&id| tokenizer.piece(id).unwrap().to_vec()).collect();
            if got != ids || pieces != bytes {
                differences.push(format!("{text:?}, add {add}, parse {parse}:\n  {ids:?}\n  {got:?}"));
                break;
            }
        }
    }
    let shown = differences.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{name}: {} of {texts} texts differ\n{shown}", differences.len());
    println!("{name}: {texts} texts");
    texts as usize
}

/// A file for the oracle to read.
fn scratch(name: &str, gguf: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("pagelm-oracle-{}-{name}.gguf", std::process::id()));
    std::fs::write(&path, gguf).unwrap();
    path
}

fn compare_bytes(name: &str, gguf: &[u8], pre: Option<&str>, texts: u64) -> usize {
    let path = scratch(name, gguf);
    let result = std::panic::catch_unwind(|| compare(name, gguf, &path, pre, texts));
    std::fs::remove_file(path).unwrap();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn texts() -> u64 {
    setting("PAGELM_ORACLE_TEXTS", 2000)
}

#[test]
#[ignore = "needs Python with xllamacpp: PAGELM_ORACLE_PYTHON=python cargo test --test tokenizer_oracle -- --ignored"]
fn golden_vocabularies() {
    for name in ["llama-spm", "phi-3", "gpt-2", "llama-bpe", "qwen2"] {
        assert!(compare_bytes(name, &vocabulary(name), None, texts()) > 0);
    }
    let model = |model: &Model, name| compare(name, &vocabularies::model(model), &model_path(model), None, texts());
    assert!(model(&SMOLLM2, "smollm2") > 0);
    assert!(model(&GEMMA, "gemma-3") > 0);
}

#[test]
#[ignore = "needs Python with xllamacpp: PAGELM_ORACLE_PYTHON=python cargo test --test tokenizer_oracle -- --ignored"]
fn tiny_models() {
    let mut count = 0;
    for entry in std::fs::read_dir(project("tests/goldens/tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            count += compare(&name, &read(&path.join("model.gguf")), &path.join("model.gguf"), None, texts() / 4);
        }
    }
    assert!(count > 0);
}

/// Every pre-tokenizer with byte-level tokens, on the vocabulary of GPT-2.
#[test]
#[ignore = "needs Python with xllamacpp: PAGELM_ORACLE_PYTHON=python cargo test --test tokenizer_oracle -- --ignored"]
fn every_pretokenizer() {
    let gguf = vocabulary("gpt-2");
    let Parsed::Complete(header) = Header::parse(&gguf, gguf.len() as u64).unwrap() else { panic!("cut short") };
    let mut vocabulary = Vocabulary::from_metadata(&header.metadata).unwrap();
    vocabulary.pre = "?".into();
    // the message lists them: a name that is added is tested
    let error = Tokenizer::new(vocabulary).unwrap_err().to_string();
    let (_, list) = error.split_once("not supported; ").unwrap();
    let names: Vec<&str> = list.trim_end_matches(" are").split(", ").collect();
    let texts_with_spaces = ["gemma4", "granite-embed-multi-311m", "sarvam-moe"];
    assert!(names.len() > 80, "{names:?}");
    // some of them, separated by commas
    let only = std::env::var("PAGELM_ORACLE_PRE").ok();
    for only in only.iter().flat_map(|only| only.split(',')) {
        assert!(names.contains(&only), "{only} is not supported");
    }
    let names = names.into_iter().filter(|name| only.as_deref().is_none_or(|only| only.split(',').any(|o| o == *name)));
    let mut failed = Vec::new();
    for pre in names.filter(|name| !texts_with_spaces.contains(name)) {
        if let Err(panic) = std::panic::catch_unwind(|| compare_bytes(pre, &gguf, Some(pre), texts() / 2)) {
            failed.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Merges over text instead of bytes: the vocabulary of llama-spm, with a merge for each way to cut a token in two.
#[test]
#[ignore = "needs Python with xllamacpp: PAGELM_ORACLE_PYTHON=python cargo test --test tokenizer_oracle -- --ignored"]
fn merges_of_text() {
    let gguf = vocabulary("llama-spm");
    let Parsed::Complete(header) = Header::parse(&gguf, gguf.len() as u64).unwrap() else { panic!("cut short") };
    let mut tokens = header.metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap().to_vec();
    let mut types: Vec<i32> = header
        .metadata
        .integers("tokenizer.ggml.token_type")
        .unwrap()
        .unwrap()
        .iter()
        .map(|&kind| kind as i32)
        .collect();
    for (token, kind) in [("\n", 1), ("\n\n", 1), ("\n\n\n", 1), ("<turn>", 3), ("<tool>", 4)] {
        tokens.push(token.into());
        types.push(kind);
    }
    let known: HashSet<&str> = tokens.iter().map(String::as_str).collect();
    let cuts = |token: &str| {
        let cuts =
            token.char_indices().skip(1).map(|(at, _)| token.split_at(at)).map(|(a, b)| (a.to_string(), b.to_string()));
        cuts.collect::<Vec<_>>()
    };
    let normal = tokens.iter().zip(&types).filter(|&(token, &kind)| kind == 1 && !token.contains('\n'));
    let merges: Vec<String> = normal
        .flat_map(|(token, _)| cuts(token))
        .filter(|(left, right)| known.contains(left.as_str()) && known.contains(right.as_str()))
        .map(|(left, right)| format!("{left} {right}"))
        .collect();
    for (model, pre) in [("gemma4", ""), ("gpt2", "gemma4"), ("gpt2", "sarvam-moe")] {
        let mut writer = Writer::new();
        writer.string("tokenizer.ggml.model", model);
        writer.string("tokenizer.ggml.pre", pre);
        writer.strings("tokenizer.ggml.tokens", &tokens);
        writer.i32s("tokenizer.ggml.token_type", &types);
        writer.strings("tokenizer.ggml.merges", &merges);
        writer.u32("tokenizer.ggml.bos_token_id", 1);
        writer.u32("tokenizer.ggml.eos_token_id", 2);
        assert!(compare_bytes(&format!("{model}-{pre}"), &writer.finish(), None, texts()) > 0);
    }
}
