//! Models in several files, as llama.cpp's `gguf-split` writes them: `name-00001-of-00003.gguf` and so on.
//!
//! Each part is a GGUF file with some of the tensors. The first has the model's metadata; all have `split.no` (from 0),
//! `split.count` and `split.tensors.count`, which counts the tensors of all parts together. [`Parts::join`] makes them
//! one [`Header`]: that of the parts laid end to end, in which the headers of later parts are gaps between tensors.

use super::{Header, Metadata, Parsed, TensorInfo, limits};
use crate::error::{Error, ErrorKind, Result};
use std::collections::HashSet;

/// What a part says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    /// From 0.
    number: u64,
    count: u64,
    /// Of all parts together, where the file says it.
    tensors: Option<u64>,
}

impl Place {
    fn of(metadata: &Metadata) -> Result<Self> {
        let count = metadata.u64("split.count")?.unwrap_or(1).max(1);
        if count > limits::MAX_PARTS {
            let detail = format!("split.count is {count}; the limit is {} parts", limits::MAX_PARTS);
            return Err(Error::new(ErrorKind::LimitExceeded, detail));
        }
        let number = metadata.u64("split.no")?.unwrap_or(0);
        Ok(Self { number, count, tensors: metadata.u64("split.tensors.count")? })
    }
}

/// A later part: what is kept of its header, and the bytes of its file.
#[derive(Debug)]
struct Part {
    place: Place,
    tensors: Vec<TensorInfo>,
    bytes: u64,
}

/// The headers of all parts but the first.
#[derive(Debug, Default)]
pub struct Parts {
    parts: Vec<Part>,
    tensors: u64,
}

impl Parts {
    /// Takes the first bytes of the next part, a file of `bytes` bytes. `Some` if they are not enough: so many bytes from
    /// the start of that file are needed.
    ///
    /// # Errors
    /// Those of [`Header::parse`], with the part's number; `InvalidModel` for a part in the wrong place;
    /// `LimitExceeded` for too many.
    pub fn add(&mut self, prefix: &[u8], bytes: u64) -> Result<Option<u64>> {
        let position = self.parts.len() as u64 + 2;
        if position > limits::MAX_PARTS {
            let detail = format!("the model has part {position}; the limit is {} parts", limits::MAX_PARTS);
            return Err(Error::new(ErrorKind::LimitExceeded, detail));
        }
        let named = |e: Error| Error::new(e.kind(), format!("part {position} of the model: {}", e.detail()));
        let header = match Header::parse(prefix, bytes).map_err(named)? {
            Parsed::NeedMore(bytes) => return Ok(Some(bytes)),
            Parsed::Complete(header) => header,
        };
        let place = Place::of(&header.metadata).map_err(named)?;
        check_number(place, position)?;
        self.tensors += header.tensors.len() as u64;
        if self.tensors > limits::MAX_TENSORS {
            let detail = format!(
                "the parts up to {position} have {} tensors; the limit is {}",
                self.tensors,
                limits::MAX_TENSORS
            );
            return Err(Error::new(ErrorKind::LimitExceeded, detail));
        }
        self.parts.push(Part { place, tensors: header.tensors, bytes });
        Ok(None)
    }

    /// The header of the whole model: `first` is that of the first part, a file of `bytes` bytes. Gives the bytes of all
    /// parts, too.
    ///
    /// # Errors
    /// `InvalidModel` if these are not all parts of one model, in their order.
    pub fn join(self, mut first: Header, bytes: u64) -> Result<(Header, u64)> {
        let place = Place::of(&first.metadata)?;
        let given = self.parts.len() as u64 + 1;
        check_number(place, 1)?;
        if place.count != given {
            return Err(contradiction(format!(
                "the model has {} part{} (split.count), but {given} {} given; give all of them, in their order, or the address of the first if they are called …-00001-of-{:05}.gguf",
                place.count,
                if place.count == 1 { "" } else { "s" },
                if given == 1 { "was" } else { "were" },
                place.count
            )));
        }
        let mut names: HashSet<String> = first.tensors.iter().map(|t| t.name.clone()).collect();
        let mut end = bytes;
        for (part, position) in self.parts.into_iter().zip(2..) {
            part.agrees(place, position)?;
            for mut tensor in part.tensors {
                if !names.insert(tensor.name.clone()) {
                    return Err(contradiction(format!(
                        "the tensor {:?} of part {position} is in an earlier part, too",
                        tensor.name
                    )));
                }
                // INVARIANT: an offset is below the size of its part
                tensor.offset = end.saturating_add(tensor.offset);
                first.tensors.push(tensor);
            }
            end = end.checked_add(part.bytes).filter(|&end| end < 1 << 62).ok_or_else(|| {
                Error::new(ErrorKind::LimitExceeded, format!("the parts up to {position} have more than 2^62 bytes"))
            })?;
        }
        check_tensors(place, first.tensors.len() as u64)?;
        Ok((first, end))
    }
}

impl Part {
    /// That it belongs to the model whose first part is at `first`.
    fn agrees(&self, first: Place, position: u64) -> Result<()> {
        let Place { count, tensors, .. } = self.place;
        if count != first.count {
            return Err(contradiction(format!(
                "part {position} belongs to a model of {count} parts, the first part to one of {}: they are not of one model",
                first.count
            )));
        }
        match (tensors, first.tensors) {
            (Some(own), Some(wanted)) if own != wanted => Err(contradiction(format!(
                "part {position} belongs to a model of {own} tensors (split.tensors.count), the first part to one of {wanted}: they are not of one model"
            ))),
            _ => Ok(()),
        }
    }
}

/// `position` counts from 1, as names of files do.
fn check_number(place: Place, position: u64) -> Result<()> {
    if place.number + 1 == position {
        return Ok(());
    }
    let (number, count) = (place.number.saturating_add(1), place.count);
    Err(contradiction(format!(
        "the file given as part {position} says that it is part {number} of {count} (split.no {}); give the parts in their order, each once",
        place.number
    )))
}

fn check_tensors(place: Place, found: u64) -> Result<()> {
    match place.tensors {
        Some(wanted) if wanted != found => Err(contradiction(format!(
            "the parts have {found} tensors, but split.tensors.count is {wanted}: one of them is of another model"
        ))),
        _ => Ok(()),
    }
}

fn contradiction(detail: String) -> Error {
    Error::new(ErrorKind::InvalidModel, detail)
}
