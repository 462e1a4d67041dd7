//! How keys and values are cached.

use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The type of cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    /// As they are computed.
    F32,
    /// IEEE halves.
    F16,
    /// Integers of 8 bits; 32 neighbours share a scale.
    Q8_0,
}

impl KvType {
    /// As the option `kvCacheType` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// The type that was asked for, or else the first of those that there are.
    ///
    /// # Errors
    /// `UnsupportedOption` for one that is not in `has`.
    pub fn choose(wanted: Option<Self>, has: &[Self]) -> Result<Self> {
        let found = wanted.or(has.first().copied()).filter(|kv| has.contains(kv));
        found.ok_or_else(|| {
            let names: Vec<_> = has.iter().map(|kv| format!("'{}'", kv.name())).collect();
            let (names, wanted) = (names.join(", "), wanted.map_or("none", Self::name));
            Error::new(ErrorKind::UnsupportedOption, format!("kvCacheType is '{wanted}'; here there are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_option() {
        for kv in [KvType::F32, KvType::F16, KvType::Q8_0] {
            assert_eq!(serde_json::to_value(kv).unwrap(), kv.name());
        }
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        let has = [KvType::Q8_0, KvType::F32];
        assert_eq!(KvType::choose(None, &has).unwrap(), KvType::Q8_0);
        assert_eq!(KvType::choose(Some(KvType::F32), &has).unwrap(), KvType::F32);
        let refused = KvType::choose(Some(KvType::F16), &has).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnsupportedOption);
        assert_eq!(refused.detail(), "kvCacheType is 'f16'; here there are 'q8_0', 'f32'");
    }
}
