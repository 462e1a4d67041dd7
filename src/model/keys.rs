//! Metadata keys of an architecture, each held to a ceiling.

use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Array, Metadata, Value};

pub(super) fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidModel, detail)
}

pub(super) fn unsupported(detail: String) -> Error {
    Error::new(ErrorKind::UnsupportedArchitecture, detail)
}

/// Reads the keys that begin with the architecture's name.
pub(super) struct Keys<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) architecture: &'a str,
}

impl Keys<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A count from 1 to `most`.
    pub(super) fn optional(&self, name: &str, most: u64) -> Result<Option<usize>> {
        match self.or_zero(name, most)? {
            Some(0) => Err(invalid(format!("{} is 0; 1 to {most} are allowed", self.key(name)))),
            v => Ok(v),
        }
    }

    /// A count from 0 to `most`.
    pub(super) fn or_zero(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let key = self.key(name);
        match self.metadata.u64(&key)? {
            Some(v) if v > most => Err(invalid(format!("{key} is {v}; at most {most} is allowed"))),
            v => Ok(v.map(|v| v as usize)),
        }
    }

    pub(super) fn required(&self, name: &str, most: u64) -> Result<usize> {
        self.optional(name, most)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> Error {
        invalid(format!("the metadata key {} is missing", self.key(name)))
    }

    pub(super) fn positive(&self, name: &str) -> Result<Option<f64>> {
        match self.number(name)? {
            Some(v) if v <= 0.0 => Err(invalid(format!("{} is {v}; it must be positive", self.key(name)))),
            v => Ok(v),
        }
    }

    /// A finite number. As metadata has singles, it is one when it fits f32.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        let key = self.key(name);
        match self.metadata.f64(&key)? {
            Some(v) if !(v as f32).is_finite() => Err(invalid(format!("{key} is {v}; it must be finite"))),
            v => Ok(v),
        }
    }

    /// A factor or a cap for which 0 means that there is none, as do missing keys.
    pub(super) fn factor(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.number(name)?.filter(|&v| v != 0.0))
    }

    pub(super) fn str(&self, name: &str) -> Result<Option<&str>> {
        self.metadata.str(&self.key(name))
    }

    /// A count from 0 to `most` for each of `layers`: one for all, or an array.
    pub(super) fn per_layer(&self, name: &str, layers: usize, most: u64) -> Result<Option<Vec<usize>>> {
        let key = self.key(name);
        if !matches!(self.metadata.get(&key), Some(Value::Array(_))) {
            return Ok(self.or_zero(name, most)?.map(|v| vec![v; layers]));
        }
        let all = self.metadata.integers(&key)?.unwrap_or_default();
        if all.len() != layers {
            return Err(invalid(format!("{key} has {} elements for {layers} layers", all.len())));
        }
        let count = |&v: &i64| match u64::try_from(v) {
            Ok(v) if v <= most => Ok(v as usize),
            _ => Err(invalid(format!("{key} has the element {v}; 0 to {most} are allowed"))),
        };
        all.iter().map(count).collect::<Result<_>>().map(Some)
    }

    /// The one count that all layers have, of those that have any.
    pub(super) fn uniform(&self, name: &str, layers: usize, most: u64) -> Result<Option<usize>> {
        let Some(all) = self.per_layer(name, layers, most)? else { return Ok(None) };
        let mut counts = all.into_iter().filter(|&v| v != 0);
        let Some(first) = counts.next() else { return Err(invalid(format!("{} is 0", self.key(name)))) };
        match counts.find(|&v| v != first) {
            None => Ok(Some(first)),
            Some(other) => {
                Err(unsupported(format!("{} differs between layers ({first}, {other}); it must not", self.key(name))))
            }
        }
    }

    /// Whether a key holds an array.
    pub(super) fn is_array(&self, name: &str) -> bool {
        matches!(self.metadata.get(&self.key(name)), Some(Value::Array(Array::Integers(_))))
    }
}
