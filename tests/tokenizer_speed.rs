//! How fast vocabularies are built and texts encoded; prints figures and compares nothing, so it is only run when asked
//! for: `cargo test --release --test tokenizer_speed -- --ignored --nocapture --test-threads=1`.

#[path = "tokenizer/vocabularies.rs"]
mod vocabularies;

use std::time::{Duration, Instant};

use pagelm::gguf::{Header, Parsed};
use pagelm::tokenizer::{Tokenizer, Vocabulary};
use vocabularies::{GEMMA, model, project, read, vocabulary};

/// The best of some runs.
fn best<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed(), result)
    };
    let mut best = timed();
    for _ in 0..4 {
        let next = timed();
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

/// A few megabytes of what is in this repository: English, code, numbers, and the texts of the golden files.
fn corpus() -> Vec<(&'static str, String)> {
    let file = |path: &str| String::from_utf8(read(&project(path))).unwrap();
    let lines: serde_json::Value = serde_json::from_str(&file("tests/goldens/tokenizers/qwen2.lines.json")).unwrap();
    let many: String = lines["cases"].as_array().unwrap().iter().map(|case| case["text"].as_str().unwrap()).collect();
    let fill = |text: String| text.repeat((2 << 20) / text.len() + 1);
    vec![
        ("English", fill(file("ARCHITECTURE.md") + &file("README.md"))),
        ("code", fill(file("src/tokenizer/mod.rs") + &file("pkg/src/worker.ts"))),
        ("mixed", fill(many)),
        ("one word", "abcdefgh".repeat(1 << 17)),
        ("spaces", " ".repeat(1 << 20)),
    ]
}

#[test]
#[ignore = "measures; run it in release mode with --nocapture"]
fn figures() {
    let mut files: Vec<_> = ["llama-spm", "llama-bpe", "qwen2"].map(|name| (name, vocabulary(name))).into();
    files.push(("gemma-3", model(&GEMMA)));
    for (name, mut gguf) in files {
        gguf[8..16].fill(0); // no tensors
        let (parse, header) = best(|| match Header::parse(&gguf, gguf.len() as u64).unwrap() {
            Parsed::Complete(header) => header,
            Parsed::NeedMore(bytes) => panic!("the file ends before byte {bytes}"),
        });
        let (build, tokenizer) = best(|| Tokenizer::new(Vocabulary::from_metadata(&header.metadata).unwrap()).unwrap());
        println!("{name}: header {parse:.1?}, tokenizer {build:.1?}");
        for (kind, text) in corpus() {
            let (encode, ids) = best(|| tokenizer.encode(&text, true, true).unwrap());
            let speed = text.len() as f64 / 1e6 / encode.as_secs_f64();
            println!("  {kind}: {speed:.1} MB/s, {} bytes, {} tokens", text.len(), ids.len());
            assert!(!ids.is_empty());
        }
    }
}
