//! Hostile files: each must give a typed error, and no prefix may panic.

use super::*;

/// Builds GGUF bytes field by field, right or wrong.
#[derive(Clone, Default)]
struct Builder {
    pairs: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: usize,
}

fn string(s: &[u8]) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes()[..], s].concat()
}

impl Builder {
    fn pair(mut self, key: &str, ty: u32, value: &[u8]) -> Self {
        self.pairs.push([string(key.as_bytes()), ty.to_le_bytes().to_vec(), value.to_vec()].concat());
        self
    }

    fn tensor(mut self, name: &str, dims: &[u64], ty: u32, offset: u64) -> Self {
        let dims: Vec<u8> =
            [&(dims.len() as u32).to_le_bytes()[..], &dims.iter().flat_map(|d| d.to_le_bytes()).collect::<Vec<_>>()]
                .concat();
        self.tensors
            .push([string(name.as_bytes()), dims, ty.to_le_bytes().to_vec(), offset.to_le_bytes().to_vec()].concat());
        self
    }

    fn data(mut self, bytes: usize) -> Self {
        self.data = bytes;
        self
    }

    fn build(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.pairs.len() as u64).to_le_bytes());
        out.extend(self.pairs.concat());
        out.extend(self.tensors.concat());
        out.resize(out.len().next_multiple_of(32) + self.data, 0);
        out
    }
}

fn good() -> Builder {
    Builder::default()
        .pair("general.architecture", 8, &string(b"llama"))
        .pair(
            "list",
            9,
            &[&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &string(b"a"), &string("é".as_bytes())].concat(),
        )
        .pair("n", 4, &7u32.to_le_bytes())
        .tensor("a", &[32, 2], 2, 0)
        .tensor("b", &[4], 0, 64)
        .data(80)
}

fn parse(bytes: &[u8]) -> Result<Header> {
    match Header::parse(bytes, bytes.len() as u64)? {
        Parsed::Complete(header) => Ok(header),
        Parsed::NeedMore(n) => panic!("the whole file is there, yet {n} bytes are wanted"),
    }
}

fn fails(bytes: &[u8], kind: ErrorKind, needle: &str) {
    let error = parse(bytes).expect_err(needle);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.detail().contains(needle), "{error} does not say {needle:?}");
}

#[test]
fn reads_a_small_file() {
    let header = parse(&good().build()).unwrap();
    assert_eq!(header.metadata.str("general.architecture").unwrap(), Some("llama"));
    assert_eq!(header.metadata.strings("list").unwrap().unwrap(), ["a", "é"]);
    assert_eq!(header.metadata.u64("n").unwrap(), Some(7));
    assert_eq!(header.metadata.u64("absent").unwrap(), None);
    assert_eq!(header.metadata.u64("list").unwrap_err().kind(), ErrorKind::InvalidModel);
    let a = header.tensor("a").unwrap();
    assert_eq!((a.matrix_shape().unwrap(), a.bytes, a.offset), ((2, 32), 36, header.data_offset));
}

#[test]
fn every_prefix_asks_for_more_and_never_for_less_than_it_has() {
    let bytes = good().build();
    let header = parse(&bytes).unwrap();
    for len in 0..bytes.len() {
        match Header::parse(&bytes[..len], bytes.len() as u64).unwrap() {
            Parsed::NeedMore(n) => assert!(n > len as u64 && n <= header.data_offset),
            Parsed::Complete(h) => assert_eq!(h.tensors, header.tensors),
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = good().build();
    for len in 0..bytes.len() {
        let error = parse(&bytes[..len]).expect_err("truncated");
        assert_eq!(error.kind(), ErrorKind::InvalidGguf, "{len}: {error}");
    }
}

#[test]
fn no_flipped_byte_panics() {
    let bytes = good().build();
    let mut errors = 0;
    for at in 0..bytes.len() - 80 {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = bytes.clone();
            broken[at] ^= flip;
            errors += usize::from(Header::parse(&broken, broken.len() as u64).is_err());
        }
    }
    assert!(errors > 200, "only {errors} flips were noticed");
}

#[test]
fn wrong_magic_and_versions() {
    fails(b"GGML\x03\0\0\0aaaaaaaaaaaaaaaaaaaaaaaa", ErrorKind::InvalidGguf, "not a GGUF file");
    let versions = [(1u32, "version 1"), (4, "version 4"), (3u32.swap_bytes(), "big-endian")];
    for (version, needle) in versions {
        let mut bytes = good().build();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        fails(&bytes, ErrorKind::InvalidGguf, needle);
    }
}

#[test]
fn absurd_counts_allocate_nothing() {
    for (at, needle) in [(8, "tensors"), (16, "metadata pairs")] {
        let mut bytes = good().build();
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        fails(&bytes, ErrorKind::LimitExceeded, needle);
        bytes[at..at + 8].copy_from_slice(&60_000u64.to_le_bytes());
        fails(&bytes, ErrorKind::InvalidGguf, "truncated");
    }
    let array = |count: u64| Builder::default().pair("x", 9, &[&8u32.to_le_bytes()[..], &count.to_le_bytes()].concat());
    fails(&array(u64::MAX).build(), ErrorKind::LimitExceeded, "array elements");
    fails(&array(1 << 20).build(), ErrorKind::InvalidGguf, "truncated");
    fails(&Builder::default().pair("x", 8, &u64::MAX.to_le_bytes()).build(), ErrorKind::LimitExceeded, "string");
}

#[test]
fn bad_text_types_and_duplicates() {
    fails(&Builder::default().pair("x", 8, &string(b"\xff")).build(), ErrorKind::InvalidGguf, "UTF-8");
    fails(&Builder::default().pair("x", 13, &[0]).build(), ErrorKind::InvalidGguf, "unknown type 13");
    fails(&Builder::default().pair("x", 7, &[2]).build(), ErrorKind::InvalidGguf, "bool");
    let nested = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat();
    fails(&Builder::default().pair("x", 9, &nested).build(), ErrorKind::InvalidGguf, "arrays");
    fails(&good().pair("n", 4, &[0; 4]).build(), ErrorKind::InvalidGguf, "twice");
    fails(&good().pair("general.alignment", 4, &[3, 0, 0, 0]).build(), ErrorKind::InvalidGguf, "power of two");
    fails(&good().tensor("a", &[1], 0, 96).data(128).build(), ErrorKind::InvalidGguf, "twice");
}

/// I2_S: 256 weights are 64 bytes and a trailer of 32.
#[test]
fn a_trailer_belongs_to_its_tensor() {
    let with = |dims: &[u64], next, bytes| {
        Builder::default().tensor("a", dims, 36, 0).tensor("b", &[4], 0, next).data(bytes).build()
    };
    let header = parse(&with(&[128, 2], 96, 112)).unwrap();
    assert_eq!(header.tensor("a").unwrap().bytes, 96);
    fails(&with(&[128, 2], 64, 112), ErrorKind::InvalidGguf, "overlap");
    fails(&with(&[64, 4], 96, 112), ErrorKind::InvalidGguf, "blocks of 128");
    fails(&Builder::default().tensor("a", &[128, 2], 36, 0).data(95).build(), ErrorKind::InvalidGguf, "truncated");
}

#[test]
fn bad_tensors() {
    let with = |dims: &[u64], ty, offset| good().tensor("c", dims, ty, offset).data(256).build();
    assert!(parse(&with(&[4], 0, 96)).is_ok());
    fails(&with(&[4], 0, 32), ErrorKind::InvalidGguf, "overlap");
    fails(&with(&[4], 0, 1 << 40), ErrorKind::InvalidGguf, "outside the file");
    fails(&with(&[4], 0, u64::MAX - 31), ErrorKind::InvalidGguf, "outside the file");
    fails(&with(&[4], 0, 100), ErrorKind::InvalidGguf, "multiple of 32");
    fails(&with(&[4], 99, 96), ErrorKind::UnsupportedType, "99");
    fails(&with(&[256], 31, 96), ErrorKind::UnsupportedType, "Q4_0_4_4");
    fails(&with(&[33], 2, 96), ErrorKind::InvalidGguf, "blocks of 32");
    fails(&with(&[0], 0, 96), ErrorKind::InvalidGguf, "empty");
    fails(&with(&[1 << 40, 1 << 40], 0, 96), ErrorKind::InvalidGguf, "too large");
    fails(&with(&[1, 1, 1, 1, 1], 0, 96), ErrorKind::InvalidGguf, "5 dimensions");
    fails(&with(&[], 0, 96), ErrorKind::InvalidGguf, "0 dimensions");
}

mod layout;
mod split;
