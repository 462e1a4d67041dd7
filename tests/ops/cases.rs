//! The table.

use super::data::Rng;
use super::{Case, HeadNorms, Inputs, Op, Sabotage, Weight};
use pagelm::kernels::{Activation, KvType, RopeKind};
use pagelm::quant::{TYPES, TensorType};

fn case(op: Op, seed: u64, magnitude: f32) -> Case {
    Case { op, seed, magnitude, sabotage: Sabotage::None }
}

/// The types that stand for each way of storing a matrix: all shapes are tried with these.
const THOROUGH: &[&str] = &["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0"];
/// Shapes for the others: a part of a panel and more than one, and as many columns as hold a block of any type, once
/// and several times.
const OTHER_ROWS: &[usize] = &[13, 65];
const OTHER_COLS: &[usize] = &[96, 256, 768];

/// Every type by matrix shapes around panels, blocks and odd widths.
fn shapes(rows: &[usize], cols: &[usize]) -> Vec<Weight> {
    let mut all = Vec::new();
    for info in TYPES {
        let ty = TensorType::from_name(info.name).expect("a row of the table");
        let (rows, cols) = if THOROUGH.contains(&info.name) { (rows, cols) } else { (OTHER_ROWS, OTHER_COLS) };
        for &rows in rows {
            let whole = cols.iter().filter(|c| **c % info.block_len == 0);
            all.extend(whole.map(|&cols| Weight { ty, rows, cols }));
        }
    }
    all
}

/// Small, ordinary and large values in turn.
fn magnitude(i: usize) -> f32 {
    [1.0, 1e-3, 300.0][i % 3]
}

pub fn matmul() -> Vec<Case> {
    let shapes = shapes(&[1, 7, 63, 64, 65, 192], &[32, 33, 48, 64, 80, 96, 576]);
    shapes.into_iter().enumerate().map(|(i, w)| case(Op::Matmul(w), i as u64, magnitude(i))).collect()
}

/// Matrices that are made together: part of a panel, whole ones, and more.
pub fn stacks() -> Vec<Case> {
    let mut ops = Vec::new();
    let mut shapes = shapes(&[13, 64, 192], &[64, 256]);
    // every type compiles its own shaders: one shape tells of those
    shapes.retain(|w| THOROUGH.contains(&w.ty.name) || (w.rows, w.cols) == (65, 256));
    for (i, w) in shapes.into_iter().enumerate() {
        ops.push(Op::Stack(w, [(w.ty, [64, 7, 130][i % 3]), (w.ty, [65, 64, 1][i % 3])]));
        let activations = [Activation::Silu, Activation::GeluTanh, Activation::ReluSquared, Activation::Identity];
        ops.push(Op::MatmulGated(w, w.ty, activations[i % 4]));
    }
    let ty = |name: &str| TensorType::from_name(name).expect("a row of the table");
    // types that one dispatch reads, and some that none does: in twos, both ways round, and three at once
    for (i, types) in MIXED.iter().enumerate() {
        let [first, second, third] = types.map(ty);
        for (rows, cols) in [([65, 64, 130], 256), ([13, 130, 7], 768), ([128, 1, 64], 512)] {
            ops.push(Op::Stack(Weight { ty: first, rows: rows[0], cols }, [(second, rows[1]), (third, rows[2])]));
        }
        ops.push(Op::MatmulGated(
            Weight { ty: first, rows: 65, cols: 256 },
            third,
            [Activation::Silu, Activation::GeluTanh][i % 2],
        ));
    }
    ops.into_iter().enumerate().map(|(i, op)| case(op, 7000 + i as u64, magnitude(i / 2))).collect()
}

/// Sizes that nobody has chosen, of types in turn.
pub fn random(seed: u64) -> Vec<Case> {
    let mut rng = Rng(seed);
    let mut below = |most: usize| 1 + (rng.bits() % most as u64) as usize;
    let mut cases = Vec::new();
    for (i, info) in TYPES.iter().enumerate() {
        let ty = TensorType::from_name(info.name).expect("a row of the table");
        let w = Weight { ty, rows: below(200), cols: info.block_len * below(1024 / info.block_len) };
        let op = match i % 4 {
            0 => Op::Matmul(w),
            1 => Op::Stack(w, [(ty, below(200)), (ty, below(200))]),
            2 => Op::MatmulGated(w, ty, Activation::Silu),
            _ => Op::Embed(w),
        };
        cases.push(case(op, seed + i as u64, magnitude(i)));
        cases.push(case(Op::RmsNorm { width: below(2000), first: 0 }, seed + i as u64, magnitude(i)));
    }
    for (i, names) in MIXED.iter().enumerate() {
        let types = names.map(|name| TensorType::from_name(name).expect("a row of the table"));
        let block = types.iter().map(|ty| ty.block_len).max().unwrap_or(1);
        let w = Weight { ty: types[0], rows: below(200), cols: block * below(1024 / block) };
        let op = Op::Stack(w, [(types[1], below(200)), (types[2], below(200))]);
        cases.push(case(op, seed + 100 + i as u64, magnitude(i)));
    }
    cases
}

/// Types of three matrices that meet the same input.
const MIXED: &[[&str; 3]] = &[
    ["Q5_0", "Q5_0", "Q8_0"],
    ["Q5_0", "Q8_0", "Q8_0"],
    ["Q4_K", "Q4_K", "Q6_K"],
    ["Q4_K", "Q6_K", "Q6_K"],
    ["Q5_K", "Q5_K", "Q6_K"],
    ["Q5_K", "Q6_K", "Q6_K"],
    ["Q6_K", "Q4_K", "Q6_K"],
    ["Q8_0", "Q5_0", "Q8_0"],
    ["Q4_0", "Q4_0", "F16"],
    ["Q4_K", "Q5_K", "Q6_K"],
];

pub fn alone() -> Vec<Case> {
    let shapes = shapes(&[1, 8, 13, 65], &[32, 48, 576]);
    shapes.into_iter().enumerate().map(|(i, w)| case(Op::Alone(w), 4000 + i as u64, magnitude(i))).collect()
}

pub fn extreme(inputs: &[Inputs]) -> Vec<Case> {
    let mut shapes = shapes(&[13, 65], &[64, 576]);
    // of the others one shape: enough rows that the largest output stands for all
    shapes.retain(|w| THOROUGH.contains(&w.ty.name) || (w.rows, w.cols) == (65, 256));
    let pairs = shapes.iter().flat_map(|w| inputs.iter().map(|inputs| Op::Extreme(*w, *inputs)));
    pairs.enumerate().map(|(i, op)| case(op, 5000 + i as u64, 1.0)).collect()
}

pub fn embed() -> Vec<Case> {
    let shapes = shapes(&[1, 64, 130], &[31, 32, 48, 64, 576]);
    shapes.into_iter().enumerate().map(|(i, w)| case(Op::Embed(w), 1000 + i as u64, magnitude(i))).collect()
}

pub fn elements() -> Vec<Case> {
    let mut ops = Vec::new();
    for width in [1, 4, 31, 64, 65, 576, 1536] {
        ops.push(Op::RmsNorm { width, first: 0 });
        ops.push(Op::RmsNorm { width, first: 2 });
        for (post, next) in [(false, true), (true, true), (true, false)] {
            ops.extend([0, 2].map(|first| Op::AddNorm { width, first, post, next }));
        }
        for activation in [Activation::Identity, Activation::Silu, Activation::GeluTanh, Activation::ReluSquared] {
            ops.push(Op::Gated { width, activation });
        }
        ops.extend([Op::Add { width }, Op::AddBias { width }, Op::Scale { width }, Op::SoftCap { width }]);
    }
    for (heads, length) in [(1, 1), (1, 65), (3, 16), (2, 34), (4, 128), (1, 256), (1, 1536), (9, 5)] {
        ops.push(Op::NormHeads { heads, length });
    }
    for (width, taps) in [(1, 1), (4, 3), (33, 3), (65, 4), (64, 9)] {
        ops.push(Op::ShortConv { width, taps });
    }
    for width in [4, 63, 64, 65, 1000, 49152] {
        ops.push(Op::Argmax { width });
    }
    for kind in [RopeKind::Norm, RopeKind::Neox] {
        for (heads, head_dim, dims) in [(1, 16, 16), (3, 48, 48), (9, 64, 64), (2, 80, 32), (2, 128, 128)] {
            ops.push(Op::Rope { kind, heads, head_dim, dims });
        }
    }
    ops.into_iter().enumerate().map(|(i, op)| case(op, 2000 + i as u64, magnitude(i))).collect()
}

pub fn attention(kv: KvType) -> Vec<Case> {
    let mut ops = Vec::new();
    for (heads, kv_heads) in [(2, 2), (3, 1), (9, 3), (8, 1)] {
        for head_dim in [16, 48, 64, 80, 128] {
            for (position, n) in [(0, 1), (1, 3), (17, 31), (300, 5)] {
                ops.push(Op::Attention { heads, kv_heads, head_dim, position, n, kv, window: None, soft_cap: None });
            }
        }
    }
    // heads that are not whole vectors of four, the largest that is, and tiles that end exactly
    for (head_dim, position, n) in [(18, 70, 3), (250, 17, 2), (256, 65, 2), (64, 63, 1), (64, 64, 1), (16, 255, 2)] {
        ops.push(Op::Attention { heads: 4, kv_heads: 2, head_dim, position, n, kv, window: None, soft_cap: None });
    }
    // windows of one, that end in a tile, on its edge, past the first position and that hide nothing; caps that bite
    for window in [1, 2, 12, 63, 64, 65, 299, 1 << 24] {
        for (position, n) in [(0, 1), (3, 5), (64, 3), (300, 5)] {
            let window = Some(window);
            ops.push(Op::Attention { heads: 4, kv_heads: 2, head_dim: 32, position, n, kv, window, soft_cap: None });
            ops.push(Op::Attention {
                heads: 2,
                kv_heads: 1,
                head_dim: 18,
                position,
                n,
                kv,
                window,
                soft_cap: Some(0.1),
            });
        }
    }
    for (soft_cap, head_dim) in [(0.1, 64), (1.0, 256), (30.0, 64)] {
        let soft_cap = Some(soft_cap);
        ops.push(Op::Attention { heads: 4, kv_heads: 2, head_dim, position: 70, n: 5, kv, window: None, soft_cap });
    }
    for (head_dim, position, n) in [(64, 300, 3), (18, 63, 1), (128, 40, 31)] {
        ops.push(Op::AttentionLargest { head_dim, position, n, kv, value: -300.0 });
    }
    if kv == KvType::F16 {
        // beyond the largest half, below the normal ones, and near the smallest
        ops.extend([-1e6, 4.5e-5, 3.3e-6].map(|value| Op::AttentionLargest {
            head_dim: 64,
            position: 40,
            n: 3,
            kv,
            value,
        }));
    }
    // scores up to some tens: larger ones make the softmax a step
    let magnitude = |i: usize| [1.0, 0.01, 4.0][i % 3];
    ops.into_iter().enumerate().map(|(i, op)| case(op, 3000 + i as u64, magnitude(i))).collect()
}

/// Attention with all that may come before, for rows and blocks of them.
pub fn attend(kv: KvType) -> Vec<Case> {
    let mut ops = Vec::new();
    for rope in [None, Some((RopeKind::Norm, 16)), Some((RopeKind::Neox, 16)), Some((RopeKind::Neox, 8))] {
        for norms in [HeadNorms::None, HeadNorms::Heads, HeadNorms::Rows, HeadNorms::Queries] {
            for (heads, kv_heads, head_dim) in [(4, 2, 16), (3, 1, 18), (5, 5, 64)] {
                ops.push(Op::Attend {
                    heads,
                    kv_heads,
                    head_dim,
                    norms,
                    rope,
                    kv,
                    window: None,
                    soft_cap: None,
                    behind: 0,
                });
            }
        }
    }
    for (head_dim, window, soft_cap) in [
        (256, None, None),
        (64, Some(1), None),
        (64, Some(3), Some(0.5)),
        (18, Some(65), None),
        (250, Some(4), Some(1.0)),
    ] {
        let rope = Some((RopeKind::Neox, head_dim / 4 * 2));
        ops.push(Op::Attend {
            heads: 6,
            kv_heads: 2,
            head_dim,
            norms: HeadNorms::Heads,
            rope,
            kv,
            window,
            soft_cap,
            behind: 0,
        });
    }
    // long enough to be divided: one head for all, more heads in a group than a workgroup takes, windows and caps
    for (heads, kv_heads, head_dim, window, soft_cap, behind) in [
        (9, 3, 64, None, None, 900),
        (4, 1, 256, None, None, 450),
        (2, 2, 18, None, Some(1.0), 700),
        (7, 1, 64, None, None, 320),
        (20, 2, 16, None, None, 610),
        (4, 2, 80, Some(300), None, 580),
    ] {
        let (rope, norms) = (Some((RopeKind::Neox, 16)), HeadNorms::Heads);
        ops.push(Op::Attend { heads, kv_heads, head_dim, norms, rope, kv, window, soft_cap, behind });
    }
    ops.into_iter().enumerate().map(|(i, op)| case(op, 3700 + i as u64, [1.0, 0.01, 4.0][i % 3])).collect()
}

pub fn attention_alone(kv: KvType) -> Vec<Case> {
    // long ones, so that positions are divided, also where only some of the rows see the first of a window's parts
    let shapes = [
        (9, 3, 64, 40, 31, None),
        (4, 1, 80, 508, 9, None),
        (2, 2, 18, 62, 5, None),
        (8, 1, 128, 0, 32, None),
        (40, 1, 16, 600, 3, None),
        (4, 2, 64, 760, 30, Some(260)),
    ];
    let op = |(heads, kv_heads, head_dim, position, n, window)| Op::AttentionAlone {
        heads,
        kv_heads,
        head_dim,
        position,
        n,
        kv,
        window,
    };
    shapes.into_iter().enumerate().map(|(i, shape)| case(op(shape), 3500 + i as u64, 1.0)).collect()
}

/// Experts whose rows are fewer than a panel, not whole panels, and whole ones.
pub fn experts() -> Vec<Case> {
    let mut ops = Vec::new();
    for (experts, used) in [(1, 1), (2, 2), (8, 2), (8, 8), (65, 3), (512, 10)] {
        ops.push(Op::Route { experts, used });
    }
    for each in shapes(&[13, 64, 80], &[64, 256]) {
        ops.push(Op::MatmulExperts { each, experts: 5, used: 2, own: false });
        ops.push(Op::MatmulExperts { each, experts: 3, used: 3, own: true });
    }
    for (width, used) in [(1, 1), (33, 2), (576, 8)] {
        ops.push(Op::MixExperts { width, used });
    }
    ops.into_iter().enumerate().map(|(i, op)| case(op, 6000 + i as u64, magnitude(i))).collect()
}

/// Cases that must fail.
pub fn sabotaged() -> Vec<Case> {
    let mut all = Vec::new();
    for sabotage in [Sabotage::SwapNibble, Sabotage::InjectNan, Sabotage::ReadWrongBuffer] {
        for name in ["Q4_0", "Q4_1"] {
            let ty = TensorType::from_name(name).expect("a type");
            // square, so that the wrong buffer has the right size
            let w = Weight { ty, rows: 64, cols: 64 };
            all.push(Case { sabotage, ..case(Op::Matmul(w), 7, 1.0) });
        }
    }
    all
}
