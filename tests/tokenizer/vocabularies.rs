//! Where the vocabularies of the tests come from.
#![allow(dead_code)] // each test uses a part

use std::io::Read;
use std::path::{Path, PathBuf};

use pagelm::gguf::{Header, Parsed};
use pagelm::tokenizer::{Tokenizer, Vocabulary};

/// A model whose vocabulary is too large for the repository.
pub struct Model {
    file: &'static str,
    /// An environment variable that names a copy elsewhere.
    variable: &'static str,
    /// What gets it.
    command: &'static str,
}

/// The model of the page.
pub const SMOLLM2: Model =
    Model { file: "SmolLM2-135M-Instruct.Q4_1.gguf", variable: "PAGELM_MODEL", command: "node scripts/model.mjs" };
/// 262,144 tokens of SentencePiece.
pub const GEMMA: Model = Model {
    file: "gemma-3-270m.Q4_K_M.gguf",
    variable: "PAGELM_MODEL_GEMMA",
    command: "node scripts/model.mjs gemma-3-270m",
};
/// Headers are shorter than this.
const HEADER_BYTES: u64 = 64 << 20;

pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn golden(name: &str) -> PathBuf {
    project("tests/goldens/tokenizers").join(name)
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A vocabulary-only GGUF file.
pub fn vocabulary(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = read(&golden(&format!("ggml-vocab-{name}.gguf.gz")));
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    bytes
}

pub fn model_path(model: &Model) -> PathBuf {
    std::env::var(model.variable).map(PathBuf::from).unwrap_or_else(|_| project("models").join(model.file))
}

/// The first part of a model file, with all of its header.
pub fn model(model: &Model) -> Vec<u8> {
    let (path, mut bytes) = (model_path(model), Vec::new());
    let file = std::fs::File::open(&path).unwrap_or_else(|e| {
        panic!("{}: {e}. Run {}; {} names a copy elsewhere.", path.display(), model.command, model.variable)
    });
    file.take(HEADER_BYTES).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The tokenizer of a GGUF file, of which the first bytes are enough.
pub fn tokenizer(gguf: &[u8]) -> Tokenizer {
    let mut gguf = gguf.to_vec();
    // no tensors: the directory does not matter here, nor whether its types are known
    gguf[8..16].fill(0);
    match Header::parse(&gguf, gguf.len() as u64).unwrap() {
        Parsed::Complete(header) => Tokenizer::new(Vocabulary::from_metadata(&header.metadata).unwrap()).unwrap(),
        Parsed::NeedMore(bytes) => panic!("the file ends before byte {bytes}"),
    }
}
