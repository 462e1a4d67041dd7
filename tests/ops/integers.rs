//! Long rows of the largest codes against an exact twin in 64-bit integers: an integer sum that overflows is off by
//! 2^32, whatever else a backend rounds.

use super::compare::{Compared, Tolerance, compare};
use super::matrix::multiply;
use super::{Weight, data, ids, table, upload};
use half::f16;
use pagelm::Result;
use pagelm::kernels::Backend;
use pagelm::quant::TensorType;

const ROWS: usize = 13;
const COLS: usize = 8192;
const BLOCK: usize = 32;

/// What a row of weights or of activations consists of.
#[derive(Clone, Copy)]
enum Line {
    Lowest,
    Highest,
    /// Both in turn.
    Alternating,
    Random,
}

const LINES: [Line; 4] = [Line::Lowest, Line::Highest, Line::Alternating, Line::Random];

impl Line {
    fn of(row: usize) -> Self {
        LINES[row % LINES.len()]
    }

    fn values(self, seed: u64, lowest: i64, highest: i64) -> Vec<i64> {
        let mut rng = data::Rng(seed);
        let span = (highest - lowest + 1) as u64;
        let value = |k: usize| match self {
            Self::Lowest => lowest,
            Self::Highest => highest,
            Self::Alternating => [lowest, highest][k % 2],
            // the first of each group is the largest, so that all groups have one scale
            Self::Random if k.is_multiple_of(BLOCK) => highest,
            Self::Random => lowest + (rng.bits() % span) as i64,
        };
        (0..COLS).map(value).collect()
    }
}

/// A type whose weights can be chosen: its blocks with a scale of 1 and, if it has minima, one of -8.
struct Coded {
    name: &'static str,
    lowest: i64,
    highest: i64,
    encode: fn(&[i64]) -> Vec<u8>,
}

const CODED: [Coded; 3] = [
    Coded { name: "Q8_0", lowest: -128, highest: 127, encode: |w| [half(1.0), bytes(w)].concat() },
    Coded { name: "Q4_0", lowest: -8, highest: 7, encode: |w| [half(1.0), nibbles(w)].concat() },
    Coded { name: "Q4_1", lowest: -8, highest: 7, encode: |w| [half(1.0), half(-8.0), nibbles(w)].concat() },
];

fn half(value: f32) -> Vec<u8> {
    f16::from_f32(value).to_le_bytes().to_vec()
}

fn bytes(w: &[i64]) -> Vec<u8> {
    w.iter().map(|v| *v as i8 as u8).collect()
}

fn nibbles(w: &[i64]) -> Vec<u8> {
    let (low, high) = w.split_at(BLOCK / 2);
    low.iter().zip(high).map(|(l, h)| (l + 8) as u8 | ((h + 8) as u8) << 4).collect()
}

/// Multiplies one row and several with each type. The largest activation is `largest`: a group that holds it is to be quantised
/// with a scale of 1, that is exactly.
///
/// # Errors
/// A sentence on the first value that differs.
pub async fn run<B: Backend>(
    largest: i64,
    mut tested: impl FnMut() -> Result<B>,
) -> std::result::Result<Compared, String> {
    let mut compared = Compared::default();
    for coded in CODED {
        let b = &mut tested().map_err(|e| e.to_string())?;
        for (expected, got) in products(b, &coded, largest).await.map_err(|e| e.to_string())? {
            let one = compare(&expected, &got, ROWS, Tolerance::SUM).map_err(|why| format!("{}: {why}", coded.name))?;
            compared = compared.and(one);
        }
    }
    Ok(compared)
}

async fn products<B: Backend>(b: &mut B, coded: &Coded, largest: i64) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
    const MOST: usize = 5;
    let ty = TensorType::from_name(coded.name).expect("a type");
    let weights: Vec<_> = (0..ROWS).map(|r| Line::of(r).values(r as u64, coded.lowest, coded.highest)).collect();
    let activations: Vec<_> = (0..MOST).map(|r| Line::of(r).values(100 + r as u64, -largest, largest)).collect();
    let packed: Vec<u8> = weights.iter().flat_map(|w| w.chunks(BLOCK)).flat_map(coded.encode).collect();
    let matrix = upload(b, "w", Weight { ty, rows: ROWS, cols: COLS }, &packed)?;
    let inputs: Vec<f32> = activations.iter().flatten().map(|v| *v as f32).collect();
    let inputs = table(b, COLS, &inputs)?;
    let x = b.create_buffer("x", MOST, COLS)?;
    let out = b.create_buffer("out", MOST, ROWS)?;
    let dot = |w: &[i64], x: &[i64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<i64>() as f32;
    let mut pairs = Vec::new();
    for (first, n) in (0..MOST).map(|r| (r, 1)).chain([(0, MOST)]) {
        let got = multiply(b, &ids(first, n), inputs, matrix, x, out).await?;
        let rows = &activations[first..first + n];
        let expected = rows.iter().flat_map(|x| weights.iter().map(|w| dot(w, x))).collect();
        pairs.push((expected, got));
    }
    Ok(pairs)
}
