//! Log-probabilities of the model's own distribution, before any penalty, bias, truncation or temperature.

use std::cmp::Ordering;

use crate::{Error, ErrorKind, Result};

/// A token and its natural-log probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token id.
    pub id: u32,
    /// ln p, at most 0; negative infinity for a token whose logit is negative infinity.
    pub logprob: f64,
}

/// What turns the logits of one distribution into log-probabilities.
///
/// The largest logit is kept apart from the logarithm of the sum, because their sum would lose the latter where
/// logits are large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Normalizer {
    max: f64,
    /// `ln(sum(exp(logits - max)))`, summed in f64, so that a vocabulary of 2^18 tokens loses nothing.
    log_sum: f64,
}

impl Normalizer {
    /// Reads all logits; errors as [`log_softmax`].
    pub(super) fn new(logits: &[f32]) -> Result<Self> {
        let max = largest(logits)? as f64;
        let sum: f64 = logits.iter().map(|&logit| (logit as f64 - max).exp()).sum();
        Ok(Self { max, log_sum: sum.ln() })
    }

    /// ln p of the token with this logit.
    pub(super) fn logprob(self, logit: f32) -> f64 {
        logit as f64 - self.max - self.log_sum
    }

    /// As [`top_logprobs`].
    pub(super) fn top(self, logits: &[f32], n: usize) -> Vec<TokenLogprob> {
        let mut candidates: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
        keep_top(&mut candidates, n);
        candidates.into_iter().map(|(id, logit)| TokenLogprob { id, logprob: self.logprob(logit) }).collect()
    }
}

/// The largest logit, after a look at every one of them.
pub(super) fn largest(logits: &[f32]) -> Result<f32> {
    let mut max = f32::NEG_INFINITY;
    for (index, &logit) in logits.iter().enumerate() {
        if logit.is_nan() || logit == f32::INFINITY {
            let detail = format!("logit {index} of {} is {logit}; the model or its weights are damaged", logits.len());
            return Err(Error::new(ErrorKind::NotFinite, detail));
        }
        max = max.max(logit);
    }
    if max == f32::NEG_INFINITY {
        let detail = format!("none of the {} logits is above negative infinity, so no token can follow", logits.len());
        return Err(Error::new(ErrorKind::NotFinite, detail));
    }
    Ok(max)
}

/// The log-softmax of `logits` (vocabulary) -> natural-log probabilities (vocabulary).
///
/// # Errors
/// [`ErrorKind::NotFinite`] with the index for NaN or positive infinity, and when no logit is above negative
/// infinity (an empty slice too).
pub fn log_softmax(logits: &[f32]) -> Result<Vec<f64>> {
    let normalizer = Normalizer::new(logits)?;
    Ok(logits.iter().map(|&logit| normalizer.logprob(logit)).collect())
}

/// The `n` most likely tokens of `logits` (vocabulary), most likely first, the lower id first on a tie; fewer if the
/// vocabulary is smaller.
///
/// # Errors
/// As [`log_softmax`].
pub fn top_logprobs(logits: &[f32], n: usize) -> Result<Vec<TokenLogprob>> {
    Ok(Normalizer::new(logits)?.top(logits, n))
}

/// Most likely first, then the lower id: a total order, so that no result depends on how a sort breaks ties.
pub(super) fn most_likely_first(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    // -0 + 0 is 0: the two are equally likely
    (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0))
}

/// Keeps the `k` most likely candidates, sorted; linear in the vocabulary apart from sorting what is kept.
pub(super) fn keep_top(candidates: &mut Vec<(u32, f32)>, k: usize) {
    if k == 0 {
        candidates.clear();
    } else if k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, most_likely_first);
        candidates.truncate(k);
    }
    candidates.sort_unstable_by(most_likely_first);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_softmax_of_equal_logits_is_uniform() {
        for logprob in log_softmax(&[3.0; 8]).unwrap() {
            assert!((logprob + 8f64.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let logprobs = log_softmax(&[3e38, 3e38, -3e38]).unwrap();
        assert!((logprobs[0] + 2f64.ln()).abs() < 1e-12);
        assert!(logprobs[2] < -1e30);
    }

    #[test]
    fn what_is_not_finite_is_named_by_its_index() {
        for bad in [f32::NAN, f32::INFINITY] {
            let error = log_softmax(&[0.0, 1.0, bad]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFinite);
            assert!(error.detail().contains("logit 2"), "{error}");
        }
        assert_eq!(log_softmax(&[f32::NEG_INFINITY; 3]).unwrap_err().kind(), ErrorKind::NotFinite);
        assert_eq!(log_softmax(&[]).unwrap_err().kind(), ErrorKind::NotFinite);
    }

    #[test]
    fn the_top_is_sorted_with_the_lower_id_first() {
        let ids: Vec<u32> =
            top_logprobs(&[1.0, 5.0, f32::NEG_INFINITY, 5.0, 2.0], 3).unwrap().iter().map(|t| t.id).collect();
        assert_eq!(ids, [1, 3, 4]);
        assert_eq!(top_logprobs(&[-0.0, 0.0], 1).unwrap()[0].id, 0);
        assert_eq!(top_logprobs(&[1.0], 9).unwrap().len(), 1);
        assert!(top_logprobs(&[1.0], 0).unwrap().is_empty());
    }
}
