//! The tensor directory of a GGUF file.

use super::cursor::{Cursor, Step};
use super::{invalid, limits};
use crate::error::{Error, ErrorKind, Result};
use crate::quant::TensorType;
use std::collections::HashSet;

/// An empty name, the number of dimensions, one dimension, a type and an offset.
pub(super) const MIN_ENTRY_BYTES: u64 = 8 + 4 + 8 + 4 + 8;

/// One tensor of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// E.g. `"blk.0.attn_q.weight"`.
    pub name: String,
    /// How its numbers are stored.
    pub ty: TensorType,
    /// Elements along each dimension, fastest first: ggml's `ne`. A matrix (rows, cols) has dims [cols, rows].
    pub dims: Vec<u64>,
    /// Where its data starts, in bytes from the start of the file.
    pub offset: u64,
    /// Bytes of its data: of its blocks and of its type's trailer.
    pub bytes: u64,
}

impl TensorInfo {
    /// Elements in all.
    pub fn len(&self) -> u64 {
        self.dims.iter().product() // INVARIANT: checked not to overflow when the directory was read
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// (rows, cols) of a matrix; a vector is one row.
    ///
    /// # Errors
    /// `InvalidModel` for three or more dimensions.
    pub fn matrix_shape(&self) -> Result<(usize, usize)> {
        let unfit = |what: &str| {
            Error::new(ErrorKind::InvalidModel, format!("tensor {} has the shape {:?}, {what}", self.name, self.dims))
        };
        // 64-bit in the file, 32-bit where this runs
        let dim = |i: usize| {
            usize::try_from(self.dims.get(i).copied().unwrap_or(1)).map_err(|_| unfit("which cannot be addressed here"))
        };
        if self.dims.iter().skip(2).any(|&d| d != 1) {
            return Err(unfit("a matrix is needed"));
        }
        Ok((dim(1)?, dim(0)?))
    }
}

pub(super) fn read(cursor: &mut Cursor<'_>, count: u64, alignment: u64) -> Step<Vec<TensorInfo>> {
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for _ in 0..count {
        let tensor = read_entry(cursor, alignment)?;
        if !names.insert(tensor.name.clone()) {
            return Err(invalid(format!("the tensor {:?} occurs twice", tensor.name)).into());
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

fn read_entry(cursor: &mut Cursor<'_>, alignment: u64) -> Step<TensorInfo> {
    let name = cursor.string("a tensor name", limits::MAX_NAME_BYTES)?.to_owned();
    let dim_count = cursor.u32("a tensor's dimensions")?;
    if !(1..=limits::MAX_DIMS).contains(&dim_count) {
        let detail = format!("tensor {name:?} has {dim_count} dimensions; 1 to {} are allowed", limits::MAX_DIMS);
        return Err(invalid(detail).into());
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        dims.push(cursor.u64("a tensor dimension")?);
    }
    let type_id = cursor.u32("a tensor type")?;
    let ty = TensorType::from_id(type_id).map_err(|e| Error::new(e.kind(), format!("{name}: {}", e.detail())))?;
    let offset = cursor.u64("a tensor offset")?;
    if !offset.is_multiple_of(alignment) {
        return Err(invalid(format!("tensor {name:?} is at offset {offset}, not a multiple of {alignment}")).into());
    }
    let bytes = size(ty, &dims).ok_or_else(|| {
        let (ty, block) = (ty.name, ty.block_len);
        invalid(format!("tensor {name:?} has the shape {dims:?}, which is empty, too large, or not rows of whole {ty} blocks of {block}"))
    })?;
    Ok(TensorInfo { name, ty, dims, offset, bytes })
}

/// Bytes of a tensor, if it is not empty, its rows are whole blocks and nothing overflows 63 bits.
fn size(ty: TensorType, dims: &[u64]) -> Option<u64> {
    let len = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|&n| n > 0 && n < 1 << 62)?;
    if !dims[0].is_multiple_of(ty.block_len as u64) {
        return None;
    }
    ty.tensor_bytes(len).filter(|&b| b < 1 << 62)
}

/// Sorts by offset, makes offsets absolute, and refuses tensors that overlap or leave the file.
pub(super) fn place(mut tensors: Vec<TensorInfo>, data_offset: u64, file_bytes: u64) -> Result<Vec<TensorInfo>> {
    tensors.sort_by_key(|t| t.offset);
    let mut end = data_offset;
    let mut previous = String::new();
    for t in &mut tensors {
        let start = t.offset.checked_add(data_offset);
        let stop = start.and_then(|s| s.checked_add(t.bytes)).filter(|&s| s <= file_bytes);
        let (Some(start), Some(stop)) = (start, stop) else {
            return Err(invalid(format!(
                "tensor {:?} ({} bytes at {} of the data) lies outside the file of {file_bytes} bytes; it is truncated",
                t.name, t.bytes, t.offset
            )));
        };
        if start < end {
            return Err(invalid(format!("tensors {previous:?} and {:?} overlap", t.name)));
        }
        t.offset = start;
        end = stop;
        previous.clone_from(&t.name);
    }
    Ok(tensors)
}
