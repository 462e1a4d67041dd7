//! Each type's golden blocks (`tests/goldens/quants`) as an embedding table and as a matrix: the reference, to which all
//! other backends are compared, against ggml's own values.

use super::matrix::multiply;
use super::{Compared, Part, Weight, data, ids, pass, table, upload};
use pagelm::Result;
use pagelm::kernels::Backend;
use pagelm::quant::TensorType;

/// A multiple of every block.
const COLS: usize = 256;
/// What one rounding to f32 leaves of a sum, relative to the sum of its terms' sizes.
const ROUNDING: f64 = 1.2e-7;

/// A type's blocks and what they stand for.
struct Golden {
    w: Weight,
    blocks: Vec<u8>,
    /// (rows, COLS)
    values: Vec<f32>,
}

fn golden(ty: TensorType) -> Golden {
    let read = |extension: &str| {
        let path = format!("{}/tests/goldens/quants/{}.{extension}", env!("CARGO_MANIFEST_DIR"), ty.name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let (mut blocks, mut values) = (read("bin"), Vec::new());
    let trailer = blocks.split_off(blocks.len() - ty.trailer_bytes as usize);
    // I2_S has a scale behind its blocks, which is no part of a row
    let scale = trailer.first_chunk().map_or(1.0, |bytes| f32::from_le_bytes(*bytes));
    values.extend(read("f32").as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b) / scale));
    let w = Weight { ty, rows: values.len() / COLS, cols: COLS };
    assert!(w.rows > 0 && values.len() == w.rows * COLS, "{}: {} values", ty.name, values.len());
    Golden { w, blocks, values }
}

/// What `embed` gives, which has to be bit-equal, and how far products are from sums in f64.
pub async fn check<B: Backend>(mut b: B, id: u32) -> Result<(Compared, Compared)> {
    let Golden { w, blocks, values } = golden(TensorType::from_id(id)?);
    let matrix = upload(&mut b, "w", w, &blocks)?;
    let out = b.create_buffer("out", 1, COLS)?;
    let x = data::values(7, 1, COLS, 1.0);
    let inputs = table(&mut b, COLS, &x)?;
    let (row, products) = (b.create_buffer("x", 1, COLS)?, b.create_buffer("products", 1, w.rows)?);
    let mut embedded = Vec::new();
    for token in 0..w.rows {
        pass(&mut b, Part::Act, &ids(token, 1), 0, |b| b.embed(1, matrix, out))?;
        embedded.extend(b.read(out, 1).await?);
    }
    let got = multiply(&mut b, &ids(0, 1), inputs, matrix, row, products).await?;
    Ok((equal(w.ty.name, &embedded, &values), near(w.ty.name, &got, &values, &x)))
}

/// +0 and -0 are equal, NaN is never right.
fn equal(name: &str, got: &[f32], want: &[f32]) -> Compared {
    let wrong = got.iter().zip(want).filter(|(g, w)| !(g == w)).count();
    assert_eq!((wrong, got.len()), (0, want.len()), "{name}");
    Compared { values: got.len(), worst: 0.0 }
}

fn near(name: &str, got: &[f32], weights: &[f32], x: &[f32]) -> Compared {
    let mut compared = Compared::default();
    assert_eq!(got.len(), weights.len() / COLS, "{name}");
    for (got, row) in got.iter().zip(weights.chunks(COLS)) {
        let terms = || row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
        let (sum, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
        // F16 and BF16 have all their infinities
        if !size.is_finite() || sum.abs() > f64::from(f32::MAX) {
            continue;
        }
        let error = (f64::from(*got) - sum).abs() / size.max(f64::from(f32::MIN_POSITIVE));
        assert!(error <= ROUNDING, "{name}: {got} instead of {sum}");
        compared = compared.and(Compared { values: 1, worst: error as f32 });
    }
    assert!(compared.values > 0, "{name}: nothing was compared");
    compared
}
