//! GGUF: bytes to header, metadata and tensor directory.
//!
//! The format is that of ggml's `docs/gguf.md`, versions 2 and 3, little-endian: magic, version, counts, key/value
//! pairs, tensor directory, padding, tensor data. Every byte is hostile: counts are held against [`limits`] and
//! against the file's size before anything is allocated, and all arithmetic is 64-bit and checked.
//!
//! [`Header::parse`] works on a prefix of the file, so that the bytes can come from a stream or from ranges:
//!
//! ```
//! use pagelm::gguf::{Header, Parsed};
//! let prefix = b"GGUF\x03\x00\x00\x00";
//! match Header::parse(prefix, 1 << 20)? {
//!     Parsed::Complete(header) => println!("{} tensors", header.tensors.len()),
//!     Parsed::NeedMore(bytes) => println!("read at least {bytes} bytes, then try again"),
//! }
//! # Ok::<(), pagelm::Error>(())
//! ```

mod cursor;
pub mod limits;
mod metadata;
mod split;
mod tensors;

pub use metadata::{Array, Metadata, Value};
pub use split::Parts;
pub use tensors::TensorInfo;

use crate::error::{Error, ErrorKind, Result};
use cursor::{Cursor, Stop};

/// What `general.alignment` is when the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;

/// Everything before the tensor data.
#[derive(Debug)]
pub struct Header {
    /// Format version: 2 or 3.
    pub version: u32,
    /// The key/value pairs.
    pub metadata: Metadata,
    /// The tensor directory, sorted by offset: the order of the data.
    pub tensors: Vec<TensorInfo>,
    /// Where the tensor data starts, in bytes from the start of the file.
    pub data_offset: u64,
}

/// What a prefix of the file gives.
#[derive(Debug)]
pub enum Parsed {
    /// The whole header.
    Complete(Header),
    /// The header is longer; at least this many bytes from the start of the file are needed.
    NeedMore(u64),
}

pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidGguf, detail)
}

impl Header {
    /// Parses the header from the first bytes of a file of `file_bytes` bytes.
    ///
    /// # Errors
    /// `InvalidGguf` for a wrong magic, version, big-endian file, a truncated file, bad UTF-8, duplicate names,
    /// overlapping or out-of-file tensors; `LimitExceeded` for a count above [`limits`]; `UnsupportedType`.
    pub fn parse(prefix: &[u8], file_bytes: u64) -> Result<Parsed> {
        let mut cursor = Cursor::new(prefix, file_bytes);
        match Self::read(&mut cursor) {
            Ok(header) => Ok(Parsed::Complete(header)),
            Err(Stop::NeedMore(bytes)) => Ok(Parsed::NeedMore(bytes)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> std::result::Result<Self, Stop> {
        let magic = cursor.bytes(4, "magic")?;
        if magic != b"GGUF" {
            return Err(invalid(format!("the first bytes are {magic:02x?}, not \"GGUF\": not a GGUF file")).into());
        }
        let version = cursor.u32("version")?;
        if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
            return Err(invalid("the file is big-endian; only little-endian GGUF is supported").into());
        }
        if version != 2 && version != 3 {
            return Err(invalid(format!("GGUF version {version} is not supported; versions 2 and 3 are")).into());
        }
        let tensor_count = cursor.count("tensors", limits::MAX_TENSORS, tensors::MIN_ENTRY_BYTES)?;
        let pair_count = cursor.count("metadata pairs", limits::MAX_METADATA_PAIRS, metadata::MIN_PAIR_BYTES)?;
        let metadata = Metadata::read(cursor, pair_count)?;
        let alignment = alignment(&metadata)?;
        let directory = tensors::read(cursor, tensor_count, alignment)?;
        let data_offset = cursor.position().next_multiple_of(alignment);
        let tensors = tensors::place(directory, data_offset, cursor.file_bytes())?;
        Ok(Self { version, metadata, tensors, data_offset })
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|t| t.name == name)
    }
}

fn alignment(metadata: &Metadata) -> Result<u64> {
    match metadata.u64("general.alignment")? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(a) if a.is_power_of_two() && (8..=limits::MAX_ALIGNMENT).contains(&a) => Ok(a),
        Some(a) => Err(invalid(format!(
            "general.alignment is {a}; it must be a power of two from 8 to {}",
            limits::MAX_ALIGNMENT
        ))),
    }
}

#[cfg(test)]
mod tests;
