//! Comparing a backend's numbers with the reference's.

/// What a backend multiplies with, which decides how near to the reference it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Singles throughout.
    Single,
    /// Singles, but activations that meet weights in codes are 16-bit integers with one scale for each 32 of them.
    Quantized16,
    /// The same with 8-bit integers, with one scale for each 32 or 256 of them.
    Quantized8,
    /// The same with one scale for each 32, on the GPU.
    Packed8,
    /// The same with halves, in which half a block's products are added up as well.
    Halves,
}

/// How far a value may be from the reference, as a fraction of the largest magnitude that the case produced.
///
/// The reference sums in f64 and rounds once; a backend sums in f32. Terms that cancel leave an error of the size of
/// the terms, not of their sum; as all inputs of a case are of one magnitude, so are the terms of all its outputs, and
/// the largest output stands for them. (A row's own largest does not: a row may have one element, and that cancels.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    Relative(f32),
    Absolute(f32),
}

impl Tolerance {
    /// Copies, single additions and products that are exact in f32.
    pub const EXACT: Self = Self::Relative(0.0);
    /// A few roundings an element; WGSL allows exp and sqrt a few units in the last place (2^-24 each).
    pub const ELEMENT: Self = Self::Relative(2e-6);
    /// Sums of up to some thousand products in f32, in any order.
    pub const SUM: Self = Self::Relative(1e-5);
    /// A softmax: the error of a score, up to about 2^-20 at these sizes, becomes a relative error of its weight.
    pub const SOFTMAX: Self = Self::Relative(2e-5);
    /// The same where elements of a query are off by up to 2^-16 of the largest of 32: a score of some tens by 1e-4.
    pub const SOFTMAX_QUANTIZED: Self = Self::Relative(2e-4);
    /// The same by up to 2^-14, as keys of 16 bits leave room for.
    pub const SOFTMAX_SIXTEEN: Self = Self::Relative(8e-4);
    /// The same where keys and values are computed before they become halves: one that is near the border between two halves may
    /// become the other, 2^-10 of it away, in a score of some tens of which it is a part, or in a row that sees little else.
    pub const SOFTMAX_HALVES: Self = Self::Relative(5e-4);
    /// The same with 8 bits, 1/127 of the largest of 32 elements away.
    pub const SOFTMAX_EIGHT: Self = Self::Relative(1e-3);
    /// Sums of products in which an activation is off by up to 2^-16 of the largest of its 32: the errors of a group
    /// add up as a random walk does, and so do the products that the largest output consists of.
    pub const SUM_QUANTIZED: Self = Self::Relative(4e-5);
    /// The same where one activation outweighs the other 31: the largest output is one product, the errors are of 31.
    pub const OUTLIER_QUANTIZED: Self = Self::Relative(1.5e-4);
    /// [`Self::SUM_QUANTIZED`] and [`Self::OUTLIER_QUANTIZED`] where an activation is off by up to 2^-8 of the largest.
    pub const SUM_QUANTIZED8: Self = Self::Relative(4e-5 * 256.0);
    pub const OUTLIER_QUANTIZED8: Self = Self::Relative(1.5e-4 * 256.0);
    /// The same where an activation is off by up to 2^-12 of itself and a sum of 16 products has been rounded seven times, by up to 2^-12 of
    /// what it was each: of a matrix of one row, where nothing averages, 1.7e-3 at most of the largest sum of a half block.
    pub const SUM_HALVES: Self = Self::Relative(4e-5 * 64.0);
    pub const OUTLIER_HALVES: Self = Self::Relative(1.5e-4 * 64.0);
    /// What is multiplied or squared after such sums has the errors of as many of them: relu² of a gate times what it gates is three.
    pub fn of_three(self) -> Self {
        match self {
            Self::Relative(part) => Self::Relative(3.0 * part),
            Self::Absolute(most) => Self::Absolute(most),
        }
    }

    /// Products of numbers near the smallest that f32 has: a backend may take them for zero, and nothing more.
    pub const VANISHING: Self = Self::Absolute(1e-30);
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// How many values.
    pub values: usize,
    /// The largest difference, as a fraction of the case's largest magnitude.
    pub worst: f32,
}

impl Compared {
    pub fn and(self, other: Self) -> Self {
        Self { values: self.values + other.values, worst: self.worst.max(other.worst) }
    }
}

/// Compares rows of `width`.
///
/// # Errors
/// A sentence on the first value that differs, is not finite or is missing.
pub fn compare(expected: &[f32], got: &[f32], width: usize, tolerance: Tolerance) -> Result<Compared, String> {
    if expected.is_empty() || expected.len() != got.len() || !expected.len().is_multiple_of(width) {
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
    let allowed = match tolerance {
        Tolerance::Relative(part) => part * largest,
        Tolerance::Absolute(most) => most,
    };
    let mut worst = 0.0f32;
    for (at, (e, g)) in expected.iter().zip(got).enumerate() {
        let error = (e - g).abs();
        if error > allowed {
            return Err(format!("{}: {g} instead of {e}, {:e} of the largest, {largest}", place(at), error / largest));
        }
        worst = worst.max(error);
    }
    let is_relative = matches!(tolerance, Tolerance::Relative(_)) && largest > 0.0;
    Ok(Compared { values: expected.len(), worst: if is_relative { worst / largest } else { 0.0 } })
}
