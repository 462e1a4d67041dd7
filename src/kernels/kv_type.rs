//! How keys and values are cached.

use crate::error::{Error, ErrorKind, Result};
use half::f16;
use serde::{Deserialize, Serialize};

/// The type of cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    /// As they are computed.
    F32,
    /// IEEE halves.
    F16,
    /// Integers of 16 bits; 32 neighbours share a scale. For where halves cost more to read than they save.
    I16,
    /// Integers of 8 bits; 32 neighbours share a scale.
    Q8_0,
}

impl KvType {
    /// As the option `kvCacheType` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I16 => "i16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// The type that was asked for, or else the first of those that there are. Halves and [`KvType::I16`] stand for each other, so that
    /// one setting, 16 bits, serves all backends.
    ///
    /// # Errors
    /// `UnsupportedOption` for one that is not in `has`.
    pub fn choose(wanted: Option<Self>, has: &[Self]) -> Result<Self> {
        let other = match wanted {
            Some(Self::F16) => Some(Self::I16),
            Some(Self::I16) => Some(Self::F16),
            _ => None,
        };
        let found = [wanted.or(has.first().copied()), other].into_iter().flatten().find(|kv| has.contains(kv));
        found.ok_or_else(|| {
            let names: Vec<_> = has.iter().map(|kv| format!("'{}'", kv.name())).collect();
            let (names, wanted) = (names.join(", "), wanted.map_or("none", Self::name));
            Error::new(ErrorKind::UnsupportedOption, format!("kvCacheType is '{wanted}'; here there are {names}"))
        })
    }
}

/// Elements of a head that share a scale in [`KvType::I16`] and [`KvType::Q8_0`]; a head's last ones may be fewer.
pub const GROUP: usize = 32;

/// The largest magnitude of [`KvType::Q8_0`]; -128 does not occur.
pub(crate) const EIGHT: f32 = 127.0;
/// The largest magnitude of [`KvType::I16`]: 32 products of two such numbers stay within 32 bits.
pub(crate) const SIXTEEN: f32 = 8191.0;
/// Below this a group counts as zero: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Quantises at most [`GROUP`] numbers, x ≈ scale * q with magnitudes of at most `largest`, and gives the scale: with [`EIGHT`] ggml's
/// Q8_0, but for the scale, which is an f32. NaN and infinity come out as a scale that is not finite, so that they are not lost.
pub(crate) fn quantize(x: &[f32], q: &mut [i16; GROUP], largest: f32) -> f32 {
    let larger = |most: f32, x: &f32| if x.abs() > most || x.is_nan() { x.abs() } else { most };
    let most = x.iter().fold(0.0, larger);
    if most < SMALLEST {
        q.fill(0);
        return 0.0;
    }
    let inverse = largest / most;
    q.iter_mut().zip(x).for_each(|(q, x)| *q = (x * inverse).round_ties_even() as i16);
    most / largest
}

/// The nearest half, ties to even: 65504 of what is larger, and NaN of what is not finite, so that it is not lost.
fn halved(x: f32) -> f32 {
    let most = f16::MAX.to_f32();
    if x.is_finite() { f16::from_f32(x.clamp(-most, most)).to_f32() } else { f32::NAN }
}

impl KvType {
    /// A head as this type gives it back.
    pub(crate) fn round(self, head: &mut [f32]) {
        match self {
            Self::F32 => {}
            Self::F16 => head.iter_mut().for_each(|x| *x = halved(*x)),
            Self::I16 => round_groups(head, SIXTEEN),
            Self::Q8_0 => round_groups(head, EIGHT),
        }
    }
}

/// As [`quantize`] gives the numbers back.
fn round_groups(head: &mut [f32], largest: f32) {
    for x in head.chunks_mut(GROUP) {
        let mut q = [0; GROUP];
        let scale = quantize(x, &mut q, largest);
        x.iter_mut().zip(q).for_each(|(x, q)| *x = scale * f32::from(q));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_option() {
        for kv in [KvType::F32, KvType::F16, KvType::I16, KvType::Q8_0] {
            assert_eq!(serde_json::to_value(kv).unwrap(), kv.name());
        }
    }

    #[test]
    fn a_group_is_off_by_half_of_its_scale_at_most() {
        let head: Vec<f32> = (0..80).map(|i| ((i * 37) % 80) as f32 - 40.0 + i as f32 * 0.01).collect();
        for (kv, largest) in [(KvType::Q8_0, EIGHT), (KvType::I16, SIXTEEN)] {
            let mut rounded = head.clone();
            kv.round(&mut rounded);
            for (x, rounded) in head.chunks(GROUP).zip(rounded.chunks(GROUP)) {
                let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let worst = x.iter().zip(rounded).fold(0.0f32, |worst, (x, r)| worst.max((x - r).abs()));
                assert!(worst > 0.0 && worst <= most / largest / 2.0 * 1.001, "{worst} of {most}");
                assert!(rounded.iter().any(|r| r.abs() == most / largest * largest));
            }
        }
    }

    #[test]
    fn halves_are_the_nearest_and_do_not_overflow() {
        // ties, below and above what rounds to the same half; the largest, and beyond; the smallest
        let tie = 1.0 + 1.0 / 2048.0;
        for (x, half) in [
            (tie, 1.0),
            (tie + 1e-6, 1.0 + 1.0 / 1024.0),
            (tie + 1.0 / 1024.0, 1.0 + 2.0 / 1024.0),
            (65519.0, 65504.0),
            (65520.0, 65504.0),
            (f32::MAX, 65504.0),
            (2.0f32.powi(-24), 2.0f32.powi(-24)),
            (2.0f32.powi(-25), 0.0),
        ] {
            for sign in [1.0, -1.0] {
                let mut head = [sign * x];
                KvType::F16.round(&mut head);
                assert_eq!(head, [sign * half], "of {x}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_not_lost() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (at, kv) in
                [(0, KvType::Q8_0), (17, KvType::Q8_0), (31, KvType::Q8_0), (5, KvType::F16), (9, KvType::I16)]
            {
                let mut head = [0.5; GROUP];
                head[at] = bad;
                kv.round(&mut head);
                assert!(!head[at].is_finite(), "{bad} at {at} became {}", head[at]);
            }
        }
        let mut zeros = [0.0; GROUP];
        KvType::Q8_0.round(&mut zeros);
        assert_eq!(zeros, [0.0; GROUP]);
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

    #[test]
    fn sixteen_bits_are_those_that_there_are() {
        for (wanted, other) in [(KvType::F16, KvType::I16), (KvType::I16, KvType::F16)] {
            assert_eq!(KvType::choose(Some(wanted), &[KvType::F32, other]).unwrap(), other);
            assert_eq!(KvType::choose(Some(wanted), &[other, wanted]).unwrap(), wanted);
        }
    }

    #[test]
    fn products_of_sixteen_bits_fit() {
        assert!((SIXTEEN as i64).pow(2) * GROUP as i64 <= i64::from(i32::MAX));
    }
}
