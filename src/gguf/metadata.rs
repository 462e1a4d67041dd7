//! The key/value pairs of a GGUF file.

use super::cursor::{Cursor, Step};
use super::{invalid, limits};
use crate::error::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::collections::HashMap;

/// An empty key, a type, and a value of one byte.
pub(super) const MIN_PAIR_BYTES: u64 = 8 + 4 + 1;

/// A metadata value. Integers of all widths are one of two; their width carries no meaning.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// uint8, uint16, uint32, uint64.
    U64(u64),
    /// int8, int16, int32, int64.
    I64(i64),
    /// float32, float64.
    F64(f64),
    /// bool.
    Bool(bool),
    /// string.
    String(String),
    /// array.
    Array(Array),
}

/// A metadata array; all elements have one type.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Integers and bools (0 and 1). Unsigned 64-bit values above `i64::MAX` are refused.
    Integers(Vec<i64>),
    /// Floats.
    Floats(Vec<f64>),
    /// Strings.
    Strings(Vec<String>),
}

/// The key/value pairs.
#[derive(Debug, Default)]
pub struct Metadata {
    values: HashMap<String, Value>,
}

/// GGUF's numbers for types.
mod kind {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

impl Metadata {
    pub(super) fn read(cursor: &mut Cursor<'_>, pairs: u64) -> Step<Self> {
        let mut values = HashMap::new();
        for _ in 0..pairs {
            let key = cursor.string("a metadata key", limits::MAX_KEY_BYTES)?;
            let ty = cursor.u32("a metadata type")?;
            let value =
                if ty == kind::ARRAY { Value::Array(read_array(cursor, key)?) } else { scalar(cursor, ty, key)? };
            if values.insert(key.to_owned(), value).is_some() {
                return Err(invalid(format!("the metadata key {key:?} occurs twice")).into());
            }
        }
        Ok(Self { values })
    }

    /// Metadata made of these pairs, for tests and tools.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self { values: pairs.into_iter().collect() }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// An unsigned integer, if the key is there.
    ///
    /// # Errors
    /// `InvalidModel` if the value is not a non-negative integer; the same goes for the other accessors.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.typed(key, "a non-negative integer", |v| match v {
            Value::U64(v) => Some(*v),
            Value::I64(v) => u64::try_from(*v).ok(),
            _ => None,
        })
    }

    /// A float, if the key is there; integers are converted.
    pub fn f64(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |v| match v {
            Value::F64(v) => Some(*v),
            Value::U64(v) => Some(*v as f64),
            Value::I64(v) => Some(*v as f64),
            _ => None,
        })
    }

    /// A bool, if the key is there.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a bool", |v| if let Value::Bool(v) = v { Some(*v) } else { None })
    }

    /// A string, if the key is there.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", |v| if let Value::String(v) = v { Some(v.as_str()) } else { None })
    }

    /// An array of strings, if the key is there.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>> {
        self.typed(key, "an array of strings", |v| match v {
            Value::Array(Array::Strings(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of integers, if the key is there.
    pub fn integers(&self, key: &str) -> Result<Option<&[i64]>> {
        self.typed(key, "an array of integers", |v| match v {
            Value::Array(Array::Integers(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of numbers, if the key is there; integers are converted.
    pub fn floats(&self, key: &str) -> Result<Option<Cow<'_, [f64]>>> {
        self.typed(key, "an array of numbers", |v| match v {
            Value::Array(Array::Floats(v)) => Some(Cow::Borrowed(v.as_slice())),
            Value::Array(Array::Integers(v)) => Some(v.iter().map(|&v| v as f64).collect()),
            _ => None,
        })
    }

    fn typed<'a, T>(&'a self, key: &str, want: &str, f: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        f(value).map(Some).ok_or_else(|| {
            Error::new(ErrorKind::InvalidModel, format!("the metadata key {key} is not {want} but {}", describe(value)))
        })
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::U64(v) => format!("the integer {v}"),
        Value::I64(v) => format!("the integer {v}"),
        Value::F64(v) => format!("the float {v}"),
        Value::Bool(v) => format!("the bool {v}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(Array::Integers(v)) => format!("an array of {} integers", v.len()),
        Value::Array(Array::Floats(v)) => format!("an array of {} floats", v.len()),
        Value::Array(Array::Strings(v)) => format!("an array of {} strings", v.len()),
    }
}

fn scalar(cursor: &mut Cursor<'_>, ty: u32, key: &str) -> Step<Value> {
    const WHAT: &str = "a metadata value";
    Ok(match ty {
        kind::U8 => Value::U64(cursor.u8(WHAT)?.into()),
        kind::U16 => Value::U64(cursor.u16(WHAT)?.into()),
        kind::U32 => Value::U64(cursor.u32(WHAT)?.into()),
        kind::U64 => Value::U64(cursor.u64(WHAT)?),
        kind::I8 => Value::I64(i64::from(cursor.u8(WHAT)? as i8)),
        kind::I16 => Value::I64(i64::from(cursor.u16(WHAT)? as i16)),
        kind::I32 => Value::I64(i64::from(cursor.u32(WHAT)? as i32)),
        kind::I64 => Value::I64(cursor.u64(WHAT)? as i64),
        kind::F32 => Value::F64(f32::from_bits(cursor.u32(WHAT)?).into()),
        kind::F64 => Value::F64(f64::from_bits(cursor.u64(WHAT)?)),
        kind::BOOL => match cursor.u8(WHAT)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            b => return Err(invalid(format!("the bool {key} has the value {b}; 0 and 1 are allowed")).into()),
        },
        kind::STRING => Value::String(cursor.string("a metadata string", limits::MAX_STRING_BYTES)?.to_owned()),
        _ => return Err(invalid(format!("the metadata key {key:?} has the unknown type {ty}")).into()),
    })
}

fn read_array(cursor: &mut Cursor<'_>, key: &str) -> Step<Array> {
    const WHAT: &str = "array elements";
    let ty = cursor.u32("an array type")?;
    let min_bytes = match ty {
        kind::U8 | kind::I8 | kind::BOOL => 1,
        kind::U16 | kind::I16 => 2,
        kind::U32 | kind::I32 | kind::F32 => 4,
        kind::U64 | kind::I64 | kind::F64 | kind::STRING => 8,
        kind::ARRAY => return Err(invalid(format!("the array {key:?} holds arrays, which no model needs")).into()),
        _ => return Err(invalid(format!("the array {key:?} has the unknown type {ty}")).into()),
    };
    let count = cursor.count(WHAT, limits::MAX_ARRAY, min_bytes)?;
    Ok(match ty {
        kind::STRING => Array::Strings(collect(count, || {
            cursor.string("a string of an array", limits::MAX_STRING_BYTES).map(str::to_owned)
        })?),
        kind::F32 => Array::Floats(collect(count, || cursor.u32(WHAT).map(|b| f32::from_bits(b).into()))?),
        kind::F64 => Array::Floats(collect(count, || cursor.u64(WHAT).map(f64::from_bits))?),
        _ => Array::Integers(collect(count, || match scalar(cursor, ty, key)? {
            Value::I64(v) => Ok(v),
            Value::U64(v) => {
                i64::try_from(v).map_err(|_| invalid(format!("{v} in the array {key:?} is above 2^63")).into())
            }
            other => Ok(i64::from(other == Value::Bool(true))),
        })?),
    })
}

/// Collects without reserving ahead: memory follows the bytes that are really there.
fn collect<T>(count: u64, mut next: impl FnMut() -> Step<T>) -> Step<Vec<T>> {
    (0..count).map(|_| next()).collect()
}
