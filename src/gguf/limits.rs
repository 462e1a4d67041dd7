//! Ceilings for what a file may claim. Each is far above every published model and low enough to bound memory.

/// Tensors in one file. The largest published models have a few thousand.
pub const MAX_TENSORS: u64 = 1 << 16;
/// Key/value pairs. Real files have fewer than a hundred.
pub const MAX_METADATA_PAIRS: u64 = 1 << 16;
/// Elements of one metadata array. The largest vocabularies have 262,144 tokens and about twice as many merges.
pub const MAX_ARRAY: u64 = 1 << 22;
/// Bytes of a metadata key.
pub const MAX_KEY_BYTES: u64 = 1 << 10;
/// Bytes of a metadata string; chat templates are the longest.
pub const MAX_STRING_BYTES: u64 = 1 << 22;
/// Bytes of a tensor's name; ggml itself stops at 64.
pub const MAX_NAME_BYTES: u64 = 1 << 8;
/// Dimensions of a tensor, as in ggml.
pub const MAX_DIMS: u32 = 4;
/// Bytes of the whole header: metadata and directory.
pub const MAX_HEADER_BYTES: u64 = 1 << 26;
/// Bytes that tensor data may be aligned to.
pub const MAX_ALIGNMENT: u64 = 1 << 16;
/// Files that one model may be split into. The largest published models have fewer than two hundred.
pub const MAX_PARTS: u64 = 1 << 10;
