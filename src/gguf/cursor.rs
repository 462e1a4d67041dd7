//! Reads little-endian fields from a prefix of a file, and knows the difference between "not yet" and "never".

use super::{invalid, limits};
use crate::error::{Error, ErrorKind};

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The prefix is too short; the file goes on to at least this many bytes.
    NeedMore(u64),
    /// The file is wrong.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

pub(super) type Step<T> = Result<T, Stop>;

pub(super) struct Cursor<'a> {
    prefix: &'a [u8],
    position: u64,
    file_bytes: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(prefix: &'a [u8], file_bytes: u64) -> Self {
        Self { prefix, position: 0, file_bytes }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(super) fn bytes(&mut self, len: u64, what: &str) -> Step<&'a [u8]> {
        let end = self.position.checked_add(len).filter(|&end| end <= self.file_bytes).ok_or_else(|| {
            let (at, size) = (self.position, self.file_bytes);
            invalid(format!("the file ends inside {what}: {len} bytes at offset {at} of {size}; it is truncated"))
        })?;
        if end > limits::MAX_HEADER_BYTES {
            let limit = limits::MAX_HEADER_BYTES;
            return Err(Error::new(ErrorKind::LimitExceeded, format!("the header is longer than {limit} bytes")).into());
        }
        let bytes = self.prefix.get(self.position as usize..end as usize).ok_or(Stop::NeedMore(end))?;
        self.position = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Step<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N as u64, what)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self, what: &str) -> Step<u8> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u16(&mut self, what: &str) -> Step<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Step<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Step<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of things that take at least `min_bytes` each: held against `limit` and against the file's size.
    pub(super) fn count(&mut self, what: &str, limit: u64, min_bytes: u64) -> Step<u64> {
        let count = self.u64(what)?;
        if count > limit {
            let detail = format!("the file claims {count} {what}; the limit is {limit}");
            return Err(Error::new(ErrorKind::LimitExceeded, detail).into());
        }
        if count * min_bytes > self.file_bytes - self.position {
            let rest = self.file_bytes - self.position;
            let detail = format!("the file claims {count} {what} but only {rest} bytes follow; it is truncated");
            return Err(invalid(detail).into());
        }
        Ok(count)
    }

    pub(super) fn string(&mut self, what: &str, limit: u64) -> Step<&'a str> {
        let len = self.u64(what)?;
        if len > limit {
            let detail = format!("{what} of {len} bytes; the limit is {limit}");
            return Err(Error::new(ErrorKind::LimitExceeded, detail).into());
        }
        let at = self.position;
        std::str::from_utf8(self.bytes(len, what)?)
            .map_err(|e| invalid(format!("{what} at offset {at} is not UTF-8")).with_source(e).into())
    }
}
