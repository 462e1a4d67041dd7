//! Bodies of the operations on activations and the cache.

use std::borrow::Borrow;

use super::{BUFFER_ROWS, Case, HeadNorms, Output, Part, ROW_COUNTS, assert_untouched, data, ids, pass, table};
use pagelm::Result;
use pagelm::kernels::{Attend, Attention, Backend, BufferId, CacheShape, Joint, KvType, MatrixId, Rope, RopeKind};

/// A buffer of `BUFFER_ROWS` rows and the table that fills it.
pub(super) struct Filled {
    values: Vec<f32>,
    table: MatrixId,
    buffer: BufferId,
}

fn filled<B: Backend>(b: &mut B, seed: u64, width: usize, magnitude: f32) -> Result<Filled> {
    let buffer = b.create_buffer("filled", BUFFER_ROWS, width)?;
    fills(b, seed, width, magnitude, buffer)
}

/// The same for a buffer that there is.
pub(super) fn fills<B: Backend>(
    b: &mut B,
    seed: u64,
    width: usize,
    magnitude: f32,
    buffer: BufferId,
) -> Result<Filled> {
    let values = data::values(seed, BUFFER_ROWS, width, magnitude);
    Ok(Filled { table: table(b, width, &values)?, values, buffer })
}

/// Brings the tables' values into their buffers, all rows.
pub(super) fn fill<B: Backend, F: Borrow<Filled>>(b: &mut B, what: &[F]) -> Result<()> {
    pass(b, Part::Fill, &ids(0, BUFFER_ROWS), 0, |b| {
        what.iter().map(F::borrow).try_for_each(|f| b.embed(BUFFER_ROWS, f.table, f.buffer))
    })
}

/// Reads n rows after checking that the rows past them are as they were.
pub(super) async fn read<B: Backend>(b: &mut B, of: &Filled, n: usize, width: usize) -> Result<Vec<f32>> {
    let mut got = b.read(of.buffer, BUFFER_ROWS).await?;
    assert_untouched(&got[n * width..], &of.values[n * width..]);
    got.truncate(n * width);
    Ok(got)
}

pub(super) async fn rms_norm<B: Backend>(b: &mut B, case: &Case, width: usize, first: usize) -> Result<Output> {
    let weight = b.create_vector("weight", &data::values(case.seed, 1, width, 2.0))?;
    let x = filled(b, case.seed + 1, width, case.magnitude)?;
    let out = filled(b, case.seed + 2, width, 1.0)?;
    let mut values = Vec::new();
    for &n in &ROW_COUNTS[..5] {
        fill(b, &[&x, &out])?;
        pass(b, Part::Act, &ids(0, n), 0, |b| b.rms_norm(n, x.buffer, first, weight, 1e-5, out.buffer))?;
        values.extend(read(b, &out, n, width).await?);
    }
    Ok(Output { values, width })
}

/// The stream and its norm, one beside the other.
pub(super) async fn add_norm<B: Backend>(
    b: &mut B,
    case: &Case,
    width: usize,
    first: usize,
    (post, next): (bool, bool),
) -> Result<Output> {
    let norm = b.create_vector("next", &data::values(case.seed, 1, width, 2.0))?;
    let post_norm = b.create_vector("post", &data::values(case.seed + 9, 1, width, 2.0))?;
    let x = filled(b, case.seed + 1, width, case.magnitude)?;
    let delta = filled(b, case.seed + 2, width, case.magnitude)?;
    let out = filled(b, case.seed + 3, width, 1.0)?;
    let joint = Joint {
        post_norm: post.then_some(post_norm),
        scale: post.then_some(0.3),
        next_norm: next.then_some(norm),
        eps: 1e-5,
    };
    let mut values = Vec::new();
    for &n in &ROW_COUNTS[..5] {
        fill(b, &[&x, &delta, &out])?;
        pass(b, Part::Act, &ids(0, n), 0, |b| b.add_norm(n, first, x.buffer, delta.buffer, joint, out.buffer))?;
        values.extend(&read(b, &x, first + n, width).await?[first * width..]);
        if next {
            values.extend(read(b, &out, n, width).await?);
        }
    }
    Ok(Output { values, width })
}

/// x op y in place, for row counts from one to nearly all.
pub(super) async fn pair<B: Backend>(
    b: &mut B,
    case: &Case,
    width: usize,
    op: impl Fn(&mut B, usize, BufferId, BufferId) -> Result<()>,
) -> Result<Output> {
    let x = filled(b, case.seed, width, case.magnitude)?;
    let y = filled(b, case.seed + 1, width, 1.0)?;
    let mut values = Vec::new();
    for &n in ROW_COUNTS {
        fill(b, &[&x, &y])?;
        pass(b, Part::Act, &ids(0, n), 0, |b| op(b, n, x.buffer, y.buffer))?;
        values.extend(read(b, &x, n, width).await?);
    }
    Ok(Output { values, width })
}

/// A table of rotary angles of (context, dims).
fn angles(context: usize, dims: usize) -> Vec<f32> {
    let angle = |i: usize| (i / dims) as f32 * 1e4f32.powf(-((i % dims / 2 * 2) as f32) / dims as f32);
    let turn = |i: usize| if i.is_multiple_of(2) { angle(i).cos() } else { angle(i).sin() };
    (0..context * dims).map(turn).collect()
}

/// The same recorded pass at several positions.
pub(super) async fn rope<B: Backend>(
    b: &mut B,
    case: &Case,
    kind: RopeKind,
    heads: usize,
    head_dim: usize,
    dims: usize,
) -> Result<Output> {
    let table = b.create_vector("rope", &angles(310, dims))?;
    let width = heads * head_dim;
    let x = filled(b, case.seed, width, case.magnitude)?;
    let mut values = Vec::new();
    for (position, n) in [(0, 1), (1, 1), (17, 5), (300, 1), (300, 5)] {
        fill(b, &[&x])?;
        pass(b, Part::Act, &ids(0, n), position, |b| b.rope(n, x.buffer, heads, head_dim, Rope { kind, dims, table }))?;
        values.extend(read(b, &x, n, width).await?);
    }
    Ok(Output { values, width })
}

pub(super) async fn argmax<B: Backend>(b: &mut B, case: &Case, width: usize) -> Result<Output> {
    let mut x = data::values(case.seed, 3, width, case.magnitude);
    // row 1: a tie, and the second of the two is met first by a backward walk; row 2 is all zeros: a tie of all
    let (first, second) = (width / 3, width - 1);
    x[width + first] = 2.0 * case.magnitude;
    x[width + second] = 2.0 * case.magnitude;
    // row 0: negative throughout, with the largest last
    x[..width].iter_mut().for_each(|v| *v = -v.abs() - 1.0);
    x[second] = -0.5;
    let table = table(b, width, &x)?;
    let buffer = b.create_buffer("x", 1, width)?;
    let mut values = Vec::new();
    for row in 0..3 {
        pass(b, Part::Act, &[row], 0, |b| {
            b.embed(1, table, buffer)?;
            b.argmax(buffer)
        })?;
        let (index, value) = b.read_found().await?;
        values.extend([index as f32, value]);
    }
    Ok(Output { values, width: 1 })
}

/// Fills the cache up to `position` in blocks, then attends with n rows. The rows of queries, keys and values are those of all
/// positions. Layer 0 holds keys and values the wrong way around: it must not be read.
///
/// With `alone`, each row is by itself afterwards: it sees no more than it did among the others and must give equal bits.
pub(super) async fn attention<B: Backend>(
    b: &mut B,
    seed: u64,
    a: Attention,
    kv: KvType,
    (position, n): (usize, usize),
    rows: [&[f32]; 3],
    alone: bool,
) -> Result<Output> {
    let attending = Attending::new(b, seed, a, kv, position, rows).await?;
    let values = attending.rows(b, position, n, true).await?;
    for (row, among) in values.chunks_exact(a.heads * a.head_dim).enumerate().filter(|_| alone) {
        let by_itself = attending.rows(b, position + row, 1, false).await?;
        let differs = by_itself.iter().zip(among).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs, None, "{a:?}, {kv:?}: row {row} of {n} at {position}");
    }
    Ok(Output { values, width: a.head_dim })
}

/// A cache that is filled up to a position, and queries.
struct Attending {
    a: Attention,
    queries: MatrixId,
    keys: MatrixId,
    values: MatrixId,
    q: BufferId,
    k: BufferId,
    v: BufferId,
    out: Filled,
}

impl Attending {
    /// The most rows of a pass that fills.
    const BLOCK: usize = 32;

    async fn new<B: Backend>(
        b: &mut B,
        seed: u64,
        a: Attention,
        kv: KvType,
        position: usize,
        [queries, keys, values]: [&[f32]; 3],
    ) -> Result<Self> {
        let (width, kv_width) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        let shape = CacheShape::KeysValues { heads: a.kv_heads, head_dim: a.head_dim, window: None };
        b.create_cache(position + BUFFER_ROWS, &[shape; 2], kv)?;
        b.reserve(position + BUFFER_ROWS).await?;
        let [keys, values] = [table(b, kv_width, keys)?, table(b, kv_width, values)?];
        let queries = table(b, width, queries)?;
        let k = b.create_buffer("k", Self::BLOCK, kv_width)?;
        let v = b.create_buffer("v", Self::BLOCK, kv_width)?;
        let q = b.create_buffer("q", Self::BLOCK, width)?;
        let out = filled(b, seed, width, 1.0)?;
        let this = Self { a, queries, keys, values, q, k, v, out };
        for start in (0..position).step_by(Self::BLOCK) {
            let rows = Self::BLOCK.min(position - start);
            pass(b, Part::Fill, &ids(start, rows), start, |b| this.store(b, rows))?;
        }
        Ok(this)
    }

    fn store<B: Backend>(&self, b: &mut B, n: usize) -> Result<()> {
        b.embed(n, self.keys, self.k)?;
        b.embed(n, self.values, self.v)?;
        b.store_kv(n, 0, self.v, self.k)?;
        b.store_kv(n, 1, self.k, self.v)
    }

    /// n rows of attention from `position` on; `stores` if their keys and values are not in the cache yet.
    async fn rows<B: Backend>(&self, b: &mut B, position: usize, n: usize, stores: bool) -> Result<Vec<f32>> {
        fill(b, &[&self.out])?;
        pass(b, if stores { Part::Act } else { Part::Alone }, &ids(position, n), position, |b| {
            if stores {
                self.store(b, n)?;
            }
            b.embed(n, self.queries, self.q)?;
            b.attention(n, 1, self.q, self.a, self.out.buffer)
        })?;
        read(b, &self.out, n, self.a.heads * self.a.head_dim).await
    }
}

/// Takes in positions one by one and in blocks, some again as after a rewind. Layer 0 has other keys and values.
pub(super) async fn attend<B: Backend>(
    b: &mut B,
    case: &Case,
    shape: Attention,
    norms: HeadNorms,
    rope: Option<(RopeKind, usize)>,
    (kv, behind): (KvType, usize),
) -> Result<Output> {
    let context = behind + 150;
    let (width, kv_width) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let cached = CacheShape::KeysValues { heads: shape.kv_heads, head_dim: shape.head_dim, window: None };
    b.create_cache(context, &[cached; 2], kv)?;
    b.reserve(context).await?;
    let tables = [(width, case.magnitude), (kv_width, case.magnitude), (kv_width, 1.0)];
    let mut sources = Vec::new();
    for (seed, (width, magnitude)) in (case.seed..).zip(tables) {
        sources.push(table(b, width, &data::values(seed, context, width, magnitude))?);
    }
    let qkv = b.create_buffers(BUFFER_ROWS, &[("q", width), ("k", kv_width), ("v", kv_width)])?;
    let [q, k, v] = qkv[..] else { panic!("{} buffers", qkv.len()) };
    let out = filled(b, case.seed + 3, width, 1.0)?;
    let norm = |b: &mut B, len: usize| b.create_vector("norm", &data::values(case.seed + 9, 1, len, 2.0)).map(Some);
    let (q_norm, k_norm) = match norms {
        HeadNorms::None => (None, None),
        HeadNorms::Heads => (norm(b, shape.head_dim)?, norm(b, shape.head_dim)?),
        HeadNorms::Rows => (norm(b, width)?, norm(b, kv_width)?),
        HeadNorms::Queries => (norm(b, shape.head_dim)?, None),
    };
    let rope = match rope {
        None => None,
        Some((kind, dims)) => Some(Rope { kind, dims, table: b.create_vector("rope", &angles(context, dims))? }),
    };
    let a = Attend { q_norm, k_norm, eps: 1e-5, rope, shape };
    let store = |b: &mut B, position: usize, n: usize| {
        pass(b, Part::Alone, &ids(position, n), position, |b| {
            (0..2).try_for_each(|layer| {
                // what is prepared is prepared in place
                let sources = [(sources[0], q), (sources[1], k), (sources[2], v)];
                sources.into_iter().try_for_each(|(s, to)| b.embed(n, s, to))?;
                b.attend(n, layer, [q, k, v], a, out.buffer)
            })
        })
    };
    (0..behind).step_by(BUFFER_ROWS).try_for_each(|at| store(b, at, BUFFER_ROWS.min(behind - at)))?;
    let mut values = Vec::new();
    for (position, n) in [(0, 1), (1, 1), (2, 31), (33, 31), (64, 1), (62, 1), (63, 31), (94, 1), (95, 31), (126, 1)] {
        let position = behind + position;
        fill(b, &[&out])?;
        pass(b, Part::Act, &ids(position, n), position, |b| {
            [(sources[0], q), (sources[1], k), (sources[2], v)]
                .into_iter()
                .try_for_each(|(s, to)| b.embed(n, s, to))?;
            b.attend(n, 1, [q, k, v], a, out.buffer)
        })?;
        values.extend(read(b, &out, n, width).await?);
        pass(b, Part::Fill, &ids(0, n), position, |b| {
            [(sources[0], q), (sources[2], k), (sources[1], v)]
                .into_iter()
                .try_for_each(|(s, to)| b.embed(n, s, to))?;
            b.attend(n, 0, [q, k, v], a, out.buffer)
        })?;
    }
    Ok(Output { values, width: shape.head_dim })
}

/// Runs rows through in steps of several sizes, the last again from an earlier position: as after a rewind. Layer 0 has
/// other rows, which must not be read.
pub(super) async fn short_conv<B: Backend>(b: &mut B, case: &Case, width: usize, taps: usize) -> Result<Output> {
    b.create_cache(BUFFER_ROWS, &[CacheShape::Rows(width); 2], KvType::F32)?;
    let taps = b.create_vector("taps", &data::values(case.seed + 1, 1, width * taps, 1.0))?;
    let rows = table(b, width, &data::values(case.seed, BUFFER_ROWS, width, case.magnitude))?;
    let x = b.create_buffer("x", BUFFER_ROWS, width)?;
    let out = filled(b, case.seed + 2, width, 1.0)?;
    let mut values = Vec::new();
    for (position, n) in [(0, 1), (1, 1), (2, 1), (3, 5), (8, 20), (28, 1), (12, 3)] {
        fill(b, &[&out])?;
        pass(b, Part::Act, &ids(position, n), position, |b| {
            b.embed(n, rows, x)?;
            b.short_conv(n, 1, x, taps, out.buffer)
        })?;
        values.extend(read(b, &out, n, width).await?);
        pass(b, Part::Fill, &ids(0, n), position, |b| {
            b.embed(n, rows, x)?;
            b.short_conv(n, 0, x, taps, out.buffer)
        })?;
    }
    Ok(Output { values, width })
}
