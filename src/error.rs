//! The one error type of the crate.
//!
//! A failure has a flat [`ErrorKind`], which crosses to JavaScript as a stable `code`, a sentence with the value,
//! the limit and what to do, and possibly the error that caused it.

use std::fmt;

/// What went wrong, as a stable code. New kinds may be added.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes are not a GGUF file, or break its format.
    InvalidGguf,
    /// A count or a size in the file is above a named limit.
    LimitExceeded,
    /// The file uses a tensor type that has no row in the type table.
    UnsupportedType,
    /// The architecture in the file has no configuration here.
    UnsupportedArchitecture,
    /// The tokenizer model or its pre-tokenizer is not known here.
    UnsupportedTokenizer,
    /// The file is well-formed but its contents contradict each other.
    InvalidModel,
    /// The chat template does not parse, fails, or runs for too long.
    ChatTemplate,
    /// An option or an argument is not understood or cannot be honoured.
    InvalidArgument,
    /// An option that is understood, but that this backend or build does not have.
    UnsupportedOption,
    /// The prompt and what is to be generated do not fit the context.
    ContextOverflow,
    /// Memory on the host or the device is not enough.
    OutOfMemory,
    /// There is no usable WebGPU adapter or device.
    GpuUnavailable,
    /// The GPU device refused a command, or computes wrong numbers.
    GpuFailure,
    /// The GPU device is gone, and with it all that it held. The same model can be loaded on another one.
    DeviceLost,
    /// The model produced numbers that are not finite.
    NotFinite,
    /// The bytes do not have the hash that was asked for.
    HashMismatch,
    /// A broken invariant of this crate: a bug.
    Internal,
}

impl ErrorKind {
    /// The code that JavaScript sees, e.g. `"invalid-gguf"`. Never changes for a kind.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidGguf => "invalid-gguf",
            Self::LimitExceeded => "limit-exceeded",
            Self::UnsupportedType => "unsupported-type",
            Self::UnsupportedArchitecture => "unsupported-architecture",
            Self::UnsupportedTokenizer => "unsupported-tokenizer",
            Self::InvalidModel => "invalid-model",
            Self::ChatTemplate => "chat-template",
            Self::InvalidArgument => "invalid-argument",
            Self::UnsupportedOption => "unsupported-option",
            Self::ContextOverflow => "context-overflow",
            Self::OutOfMemory => "out-of-memory",
            Self::GpuUnavailable => "gpu-unavailable",
            Self::GpuFailure => "gpu-failure",
            Self::DeviceLost => "device-lost",
            Self::NotFinite => "not-finite",
            Self::HashMismatch => "hash-mismatch",
            Self::Internal => "internal",
        }
    }
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure: its kind, a sentence for a person, and the error below it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    source: Option<Source>,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `detail` gives the value, the limit and what to do.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    /// The same error with the one that caused it.
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence without the code.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}
