//! Comparing a backend's numbers with the reference's.

/// How far a value may be from the reference, as a fraction of the largest magnitude that the case produced.
///
/// The reference sums in f64 and rounds once; a backend sums in f32. Terms that cancel leave an error of the size of
/// the terms, not of their sum; as all inputs of a case are of one magnitude, so are the terms of all its outputs, and
/// the largest output stands for them. (A row's own largest does not: a row may have one element, and that cancels.)
#[derive(Clone, Copy, Debug)]
pub struct Tolerance(pub f32);

impl Tolerance {
    /// Copies, single additions and products that are exact in f32.
    pub const EXACT: Self = Self(0.0);
    /// A few roundings an element; WGSL allows exp and sqrt a few units in the last place (2^-24 each).
    pub const ELEMENT: Self = Self(2e-6);
    /// Sums of up to some thousand products in f32, in any order.
    pub const SUM: Self = Self(1e-5);
    /// A softmax: the error of a score, up to about 2^-20 at these sizes, becomes a relative error of its weight.
    pub const SOFTMAX: Self = Self(2e-5);
}

/// Compares rows of `width`; returns how many values were compared.
///
/// # Errors
/// A sentence on the first value that differs, is not finite or is missing.
pub fn compare(expected: &[f32], got: &[f32], width: usize, tolerance: Tolerance) -> Result<usize, String> {
    if expected.is_empty() || expected.len() != got.len() || expected.len() % width != 0 {
        return Err(format!("{} values expected in rows of {width}, {} came", expected.len(), got.len()));
    }
    // NaN compares false with everything: it is looked for before anything is compared
    let bad = |values: &[f32]| values.iter().position(|v| !v.is_finite());
    let place = |at: usize| format!("row {}, element {}", at / width, at % width);
    if let Some(at) = bad(expected) {
        return Err(format!("{}: the reference is {}", place(at), expected[at]));
    }
    if let Some(at) = bad(got) {
        return Err(format!("{}: {} is not finite", place(at), got[at]));
    }
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (at, (e, g)) in expected.iter().zip(got).enumerate() {
        if (e - g).abs() > tolerance.0 * largest {
            let error = (e - g).abs() / largest;
            return Err(format!("{}: {g} instead of {e}, {error:e} of the largest, {largest}", place(at)));
        }
    }
    Ok(expected.len())
}
