//! One case table for every backend: each case runs the same operations on a reference and on the backend that is
//! tested, and compares what comes out. Bodies are async and use no threads, files or environment, so that the same
//! module runs natively and in browsers.
#![allow(dead_code)] // each including test uses its part

pub mod cases;
pub mod compare;
pub mod data;
mod experts;
pub mod integers;
mod matrix;
mod sequence;
#[cfg(target_feature = "relaxed-simd")]
pub mod twins;
#[cfg(not(target_arch = "wasm32"))]
pub mod types;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use compare::Tolerance;
pub use compare::{Arithmetic, Compared};
use pagelm::Result;
use pagelm::kernels::reference::Reference;
use pagelm::kernels::{Activation, Attention, Backend, Head, KvType, MatrixId, PassKey, RopeKind, Step};
use pagelm::quant::{Form, TensorType};

/// A weight matrix's shape and type.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub ty: TensorType,
    pub rows: usize,
    pub cols: usize,
}

/// What a case does.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Embed(Weight),
    Matmul(Weight),
    /// Matrices of one width below each other, the given one first, then of these types and rows, each with an output of its own.
    Stack(Weight, [(TensorType, usize); 2]),
    /// A gate and what it gates, which is of this type.
    MatmulGated(Weight, TensorType, Activation),
    /// Each row alone, then in batches, bit for bit the same.
    Alone(Weight),
    /// A matmul of activations that are not ordinary.
    Extreme(Weight, Inputs),
    RmsNorm {
        width: usize,
        first: usize,
    },
    Rope {
        kind: RopeKind,
        heads: usize,
        head_dim: usize,
        dims: usize,
    },
    Attention {
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        position: usize,
        n: usize,
        kv: KvType,
        window: Option<usize>,
        /// As a multiple of the case's magnitude.
        soft_cap: Option<f32>,
    },
    /// An attention with everything that queries and keys go through before it.
    Attend {
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        norms: HeadNorms,
        rope: Option<(RopeKind, usize)>,
        kv: KvType,
        window: Option<usize>,
        soft_cap: Option<f32>,
        /// Positions that are stored before the first step.
        behind: usize,
    },
    /// Keys, values and queries all of one number: sums of the largest integers, where there are integers.
    AttentionLargest {
        head_dim: usize,
        position: usize,
        n: usize,
        kv: KvType,
        value: f32,
    },
    /// Several rows, then each of them alone, bit for bit the same.
    AttentionAlone {
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        position: usize,
        n: usize,
        kv: KvType,
        window: Option<usize>,
    },
    Gated {
        width: usize,
        activation: Activation,
    },
    AddBias {
        width: usize,
    },
    Scale {
        width: usize,
    },
    /// Capped to half of the case's magnitude.
    SoftCap {
        width: usize,
    },
    NormHeads {
        heads: usize,
        length: usize,
    },
    ShortConv {
        width: usize,
        taps: usize,
    },
    Route {
        experts: usize,
        used: usize,
    },
    /// Experts of this shape, of which some are used; `own` if each slot has an input of its own.
    MatmulExperts {
        each: Weight,
        experts: usize,
        used: usize,
        own: bool,
    },
    MixExperts {
        width: usize,
        used: usize,
    },
    Add {
        width: usize,
    },
    /// With and without each norm.
    AddNorm {
        width: usize,
        first: usize,
        post: bool,
        next: bool,
    },
    Argmax {
        width: usize,
    },
}

/// What queries and keys are normed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorms {
    None,
    Heads,
    Rows,
    /// Queries only.
    Queries,
}

/// Activations that are not ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// All of one magnitude, of either sign.
    Largest,
    /// One element of a row is ten thousand times the others.
    Outlier,
    /// Groups of 32 are in turn a million times the one before, or of it.
    Uneven,
    Zeros,
    /// Around 1e-35, the end of what f32 can hold with all its bits.
    Tiny,
    /// Around 1e30: a sum of squares would be infinite.
    Huge,
    /// One element in every other row.
    Nan,
    /// One element in every other row.
    Infinite,
}

impl Inputs {
    /// Those with numbers only.
    pub const FINITE: &[Self] = &[Self::Largest, Self::Outlier, Self::Uneven, Self::Zeros, Self::Tiny, Self::Huge];
    pub const NOT_FINITE: &[Self] = &[Self::Nan, Self::Infinite];
}

/// A deliberate mistake, for the harness's own test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    SwapNibble,
    InjectNan,
    ReadWrongBuffer,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub op: Op,
    pub seed: u64,
    /// The size of the inputs' largest values.
    pub magnitude: f32,
    pub sabotage: Sabotage,
}

/// What a case produced, in rows of `width`.
pub struct Output {
    pub values: Vec<f32>,
    pub width: usize,
}

/// Row counts that a matrix is multiplied with.
pub const ROW_COUNTS: &[usize] = &[1, 2, 3, 4, 5, 8, 31];
/// Rows of the buffers: more than any operation touches, so that the rest can be checked.
pub const BUFFER_ROWS: usize = 33;

/// What many cases found.
#[derive(Default)]
pub struct Findings {
    pub all: Compared,
    /// By tensor type and operation, of those with weights: `matmul` or `embed`.
    pub types: BTreeMap<(&'static str, &'static str), Compared>,
}

impl Findings {
    fn add(&mut self, op: Op, one: Compared) {
        self.all = self.all.and(one);
        if let Some(key) = op.weights() {
            let before = self.types.get(&key).copied().unwrap_or_default();
            self.types.insert(key, before.and(one));
        }
    }
}

impl Op {
    /// The type of an operation's weights and what it does with them, for ordinary activations.
    fn weights(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Embed(w) => Some((w.ty.name, "embed")),
            Self::Matmul(w) | Self::Alone(w) | Self::Stack(w, ..) | Self::MatmulExperts { each: w, .. } => {
                Some((w.ty.name, "matmul"))
            }
            _ => None,
        }
    }
}

impl Case {
    pub fn tolerance(&self, arithmetic: Arithmetic) -> Tolerance {
        let quantizes = |w: Weight| arithmetic != Arithmetic::Single && matches!(w.ty.form, Form::Codes(_));
        let (sum, outlier) = match arithmetic {
            Arithmetic::Quantized8 | Arithmetic::Packed8 => (Tolerance::SUM_QUANTIZED8, Tolerance::OUTLIER_QUANTIZED8),
            Arithmetic::Halves => (Tolerance::SUM_HALVES, Tolerance::OUTLIER_HALVES),
            _ => (Tolerance::SUM_QUANTIZED, Tolerance::OUTLIER_QUANTIZED),
        };
        match self.op {
            Op::Embed(_) | Op::Add { .. } | Op::AddBias { .. } | Op::Scale { .. } | Op::Argmax { .. } => {
                Tolerance::EXACT
            }
            Op::Extreme(_, Inputs::Tiny) => Tolerance::VANISHING,
            Op::Extreme(w, Inputs::Outlier) if quantizes(w) => outlier,
            Op::MatmulGated(w, ..)
                if quantizes(w) && matches!(arithmetic, Arithmetic::Packed8 | Arithmetic::Halves) =>
            {
                sum.of_three()
            }
            Op::Matmul(w) | Op::Alone(w) | Op::Extreme(w, _) | Op::Stack(w, ..) | Op::MatmulGated(w, ..)
                if quantizes(w) =>
            {
                sum
            }
            Op::MatmulExperts { each, .. } if quantizes(each) => sum,
            Op::Matmul(_)
            | Op::Alone(_)
            | Op::Extreme(..)
            | Op::Stack(..)
            | Op::MatmulGated(..)
            | Op::MatmulExperts { .. } => Tolerance::SUM,
            Op::RmsNorm { .. } | Op::NormHeads { .. } | Op::Gated { .. } | Op::SoftCap { .. } | Op::Rope { .. } => {
                Tolerance::ELEMENT
            }
            Op::ShortConv { .. } | Op::MixExperts { .. } | Op::AddNorm { .. } => Tolerance::ELEMENT,
            Op::Attention { kv: KvType::Q8_0, .. } | Op::AttentionAlone { kv: KvType::Q8_0, .. }
                if arithmetic != Arithmetic::Single =>
            {
                Tolerance::SOFTMAX_QUANTIZED
            }
            Op::Attention { kv: KvType::I16, .. } | Op::AttentionAlone { kv: KvType::I16, .. }
                if arithmetic != Arithmetic::Single =>
            {
                Tolerance::SOFTMAX_SIXTEEN
            }
            Op::Attention { .. } | Op::AttentionLargest { .. } | Op::AttentionAlone { .. } => Tolerance::SOFTMAX,
            // nothing is computed before it is rounded
            Op::Attend { norms: HeadNorms::None, rope: None, .. } => Tolerance::SOFTMAX,
            Op::Attend { kv: KvType::F16, .. } => Tolerance::SOFTMAX_HALVES,
            Op::Attend { kv: KvType::Q8_0, .. } => Tolerance::SOFTMAX_EIGHT,
            Op::Attend { .. } | Op::Route { .. } => Tolerance::SOFTMAX,
        }
    }

    /// Runs the case on `b`, a backend that nothing was done with.
    pub async fn run<B: Backend>(&self, b: &mut B) -> Result<Output> {
        match self.op {
            Op::Embed(w) => matrix::embed(b, self, w).await,
            Op::Matmul(w) => matrix::matmul(b, self, w).await,
            Op::Stack(w, others) => matrix::stack(b, self, w, others).await,
            Op::MatmulGated(w, up, activation) => matrix::gated(b, self, w, up, activation).await,
            Op::Alone(w) => matrix::alone(b, self, w).await,
            Op::Extreme(w, inputs) => matrix::extreme(b, self, w, inputs).await,
            Op::RmsNorm { width, first } => sequence::rms_norm(b, self, width, first).await,
            Op::Rope { kind, heads, head_dim, dims } => sequence::rope(b, self, kind, heads, head_dim, dims).await,
            Op::Attention { heads, kv_heads, head_dim, position, n, kv, window, soft_cap } => {
                let (scale, soft_cap) = (1.0 / (head_dim as f32).sqrt(), soft_cap.map(|c| c * self.magnitude));
                let a = Attention { heads, kv_heads, head_dim, scale, window, soft_cap };
                let rows = |seed, width, magnitude| data::values(seed, position + BUFFER_ROWS, width, magnitude);
                let [k, v] = [(0, self.magnitude), (1, 1.0)]
                    .map(|(i, magnitude)| rows(self.seed + i, kv_heads * head_dim, magnitude));
                let q = rows(self.seed + 2, heads * head_dim, self.magnitude);
                sequence::attention(b, self.seed + 3, a, kv, (position, n), [&q, &k, &v], false).await
            }
            Op::AttentionLargest { head_dim, position, n, kv, value } => {
                let a = Attention { heads: 4, kv_heads: 2, head_dim, scale: 0.1, window: None, soft_cap: None };
                let rows = |heads: usize, value| vec![value; (position + BUFFER_ROWS) * heads * head_dim];
                let [q, k, v] = [rows(4, 3.0), rows(2, -5.0), rows(2, value)];
                sequence::attention(b, self.seed, a, kv, (position, n), [&q, &k, &v], false).await
            }
            Op::AttentionAlone { heads, kv_heads, head_dim, position, n, kv, window } => {
                let a = Attention { heads, kv_heads, head_dim, scale: 0.2, window, soft_cap: None };
                let rows =
                    |i, heads| data::values(self.seed + i, position + BUFFER_ROWS, heads * head_dim, self.magnitude);
                let [q, k, v] = [rows(0, heads), rows(1, kv_heads), rows(2, kv_heads)];
                sequence::attention(b, self.seed + 3, a, kv, (position, n), [&q, &k, &v], true).await
            }
            Op::Attend { heads, kv_heads, head_dim, norms, rope, kv, window, soft_cap, behind } => {
                let scale = 1.0 / (head_dim as f32).sqrt();
                let shape = Attention { heads, kv_heads, head_dim, scale, window, soft_cap };
                sequence::attend(b, self, shape, norms, rope, (kv, behind)).await
            }
            Op::Gated { width, activation } => {
                sequence::pair(b, self, width, |b, n, x, y| b.gated(n, x, y, activation)).await
            }
            Op::AddBias { width } => {
                let bias = b.create_vector("bias", &data::values(self.seed + 9, 1, width, 1.0))?;
                sequence::pair(b, self, width, |b, n, x, _| b.add_bias(n, x, bias)).await
            }
            Op::Scale { width } => sequence::pair(b, self, width, |b, n, x, _| b.scale(n, x, 0.3)).await,
            Op::SoftCap { width } => {
                sequence::pair(b, self, width, |b, n, x, _| b.soft_cap(n, x, self.magnitude / 2.0)).await
            }
            Op::NormHeads { heads, length } => {
                let weight = b.create_vector("weight", &data::values(self.seed + 9, 1, length, 2.0))?;
                sequence::pair(b, self, heads * length, |b, n, x, _| b.norm_heads(n, x, weight, 1e-5)).await
            }
            Op::ShortConv { width, taps } => sequence::short_conv(b, self, width, taps).await,
            Op::Route { experts, used } => experts::route(b, self, experts, used).await,
            Op::MatmulExperts { each, experts, used, own } => {
                experts::matmul(b, self, each, experts, (used, own)).await
            }
            Op::MixExperts { width, used } => experts::mix(b, self, width, used).await,
            Op::Add { width } => sequence::pair(b, self, width, |b, n, x, y| b.add(n, x, y)).await,
            Op::AddNorm { width, first, post, next } => sequence::add_norm(b, self, width, first, (post, next)).await,
            Op::Argmax { width } => sequence::argmax(b, self, width).await,
        }
    }
}

/// What the tests of a precision of [`pagelm::kernels::gpu`] compute with.
#[cfg(feature = "gpu")]
pub fn arithmetic_of(precision: pagelm::kernels::gpu::Precision) -> Arithmetic {
    use pagelm::kernels::gpu::Precision;
    match precision {
        Precision::F32 => Arithmetic::Single,
        Precision::F16 => Arithmetic::Halves,
        Precision::Int8 => Arithmetic::Packed8,
    }
}

/// Cases that run at the same time: a browser may take 100 ms to bring one result back.
const TOGETHER: usize = 16;

/// Runs `cases` on both backends and returns what was compared, or every failure.
pub async fn run_all<R: Backend, T: Backend>(
    cases: &[Case],
    arithmetic: Arithmetic,
    mut reference: impl FnMut() -> Result<R>,
    mut tested: impl FnMut() -> Result<T>,
) -> std::result::Result<Findings, String> {
    let mut found = Findings::default();
    let mut failures = Vec::new();
    for some in cases.chunks(TOGETHER) {
        let running = some.iter().map(|case| run_one(case, arithmetic, reference(), tested()));
        for (case, outcome) in some.iter().zip(together(running.collect()).await) {
            match outcome {
                Ok(one) => found.add(case.op, one),
                Err(why) => failures.push(format!("{case:?}: {why}")),
            }
        }
    }
    match (failures.len(), found.all.values) {
        (0, 0) => Err("nothing was compared".to_owned()),
        (0, _) => Ok(found),
        (many, _) => Err(format!("{many} of {} cases failed:\n{}", cases.len(), failures.join("\n"))),
    }
}

async fn run_one<R: Backend, T: Backend>(
    case: &Case,
    arithmetic: Arithmetic,
    reference: Result<R>,
    tested: Result<T>,
) -> std::result::Result<Compared, String> {
    let honest = Case { sabotage: Sabotage::None, ..*case };
    let expected = honest.run(&mut reference.map_err(|e| e.to_string())?).await.map_err(|e| e.to_string())?;
    let mut got = case.run(&mut tested.map_err(|e| e.to_string())?).await.map_err(|e| e.to_string())?;
    if case.sabotage == Sabotage::InjectNan {
        got.values[0] = f32::NAN;
    }
    compare::compare(&expected.values, &got.values, expected.width, case.tolerance(arithmetic))
}

/// The harness's own test, without a backend that is tested: every sabotaged case fails, and passes without sabotage.
pub async fn goes_red() {
    let run = async |cases: &[Case]| {
        run_all(cases, Arithmetic::Single, || Ok(Reference::new()), || Ok(Reference::new())).await
    };
    for case in cases::sabotaged() {
        assert!(run(&[case]).await.is_err(), "{case:?} passed");
        assert!(run(&[Case { sabotage: Sabotage::None, ..case }]).await.is_ok(), "nothing is wrong");
    }
    assert!(run(&[]).await.is_err(), "no cases passed");
}

/// The outcomes of all futures, which wait at the same time.
async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    poll_fn(|context| {
        for (future, done) in running.iter_mut().filter(|r| r.1.is_none()) {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        if running.iter().all(|r| r.1.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|r| r.1).collect()
}

/// The passes of a case: `Fill` brings inputs into buffers, `Act` is the operation that is tested.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Fill,
    Act,
    Alone,
}

/// Runs one pass; the two parts differ in their key, so that each is recorded for itself.
pub(crate) fn pass<B: Backend>(
    b: &mut B,
    part: Part,
    tokens: &[u32],
    position: usize,
    mut record: impl FnMut(&mut B) -> Result<()>,
) -> Result<()> {
    let head = match part {
        Part::Fill => Head::None,
        Part::Act => Head::Last,
        Part::Alone => Head::All,
    };
    b.pass(Step { tokens, position }, PassKey { rows: tokens.len(), head }, &mut record)
}

/// A matrix from GGUF bytes, written two panels at a time.
pub(crate) fn upload<B: Backend>(b: &mut B, label: &str, w: Weight, bytes: &[u8]) -> Result<MatrixId> {
    let matrix = b.create_matrix(label, w.ty, w.rows, w.cols)?;
    write(b, matrix, 0, bytes.len() / w.rows, bytes)?;
    Ok(matrix)
}

/// Rows from `first_row` on, two panels at a time.
pub(crate) fn write<B: Backend>(
    b: &mut B,
    matrix: MatrixId,
    first_row: usize,
    row_bytes: usize,
    bytes: &[u8],
) -> Result<()> {
    let step = 2 * B::PANEL_ROWS;
    bytes
        .chunks(row_bytes * step)
        .enumerate()
        .try_for_each(|(i, rows)| b.write_rows(matrix, first_row + i * step, rows))
}

/// A table of f32 rows, from which `embed` brings values into buffers exactly.
pub(crate) fn table<B: Backend>(b: &mut B, width: usize, values: &[f32]) -> Result<MatrixId> {
    let ty = TensorType::from_name("F32").expect("F32 is a type");
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    upload(b, "table", Weight { ty, rows: values.len() / width, cols: width }, &bytes)
}

/// Token ids first .. first + n.
pub(crate) fn ids(first: usize, n: usize) -> Vec<u32> {
    (first..first + n).map(|i| u32::try_from(i).expect("small")).collect()
}

/// Rows that an operation must not touch still hold what was there.
pub(crate) fn assert_untouched(got: &[f32], before: &[f32]) {
    let same = got.iter().map(|v| v.to_bits()).eq(before.iter().map(|v| v.to_bits()));
    assert!(same && !before.is_empty(), "rows past n were written");
}
