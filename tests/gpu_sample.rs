//! Tokens that are drawn on the device against those that `Sampler` draws of the same logits by the same numbers.
//!
//! The two may differ where a number lies on the border between two tokens: the device sums in f32. `Draw` says how far a
//! number is from those that choose a token.
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

mod device;

use std::rc::Rc;

use pagelm::kernels::gpu::{Device, Gpu, Options};
use pagelm::kernels::{Backend, BufferId, Head, KvType, MatrixId, PassKey, Step};
use pagelm::quant::TensorType;
use pagelm::sampling::{Allowed, Sampler, SamplingOptions, SplitMix64};
use pagelm::{ErrorKind, Result};
use pollster::block_on;

const CONTEXT: usize = 64;
/// How far from a border either token may be drawn, as a share of what is drawn from.
const BORDER: f64 = 1e-4;

fn device() -> Option<Rc<Device>> {
    device::device(Options { default_limits: true, ..Options::default() })
}

/// A backend whose token i has row i of `rows` for logits.
struct Rows {
    gpu: Gpu,
    table: MatrixId,
    logits: BufferId,
    rows: Vec<Vec<f32>>,
}

impl Rows {
    fn new(device: &Rc<Device>, rows: Vec<Vec<f32>>) -> Self {
        let mut gpu = Gpu::on(device.clone()).unwrap();
        let vocabulary = rows[0].len();
        let table = gpu.create_matrix("table", TensorType::from_name("F32").unwrap(), rows.len(), vocabulary).unwrap();
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        gpu.write_rows(table, 0, &bytes).unwrap();
        gpu.create_cache(CONTEXT, &[], KvType::F32).unwrap();
        gpu.create_sampler(vocabulary, CONTEXT).unwrap();
        let logits = gpu.create_buffer("logits", 1, vocabulary).unwrap();
        Self { gpu, table, logits, rows }
    }

    /// What the device draws from a row by `unit`, after as many tokens as it was told of.
    fn draw(&mut self, row: usize, unit: f32, position: usize) -> Result<(u32, f32)> {
        let (table, logits) = (self.table, self.logits);
        self.gpu.set_unit(unit);
        let step = Step { tokens: &[row as u32], position };
        self.gpu.pass(step, PassKey { rows: 1, head: Head::Sample }, &mut |b| {
            b.embed(1, table, logits)?;
            b.sample(1, logits)
        })?;
        block_on(self.gpu.read_found())
    }
}

/// The chain in f64, told apart from `Sampler` so that the distance to a border can be measured.
struct Draw {
    /// In the order in which they are walked: id, logit, and weight.
    candidates: Vec<(u32, f32, f64)>,
    /// How many of them are kept.
    kept: usize,
    /// What those weigh.
    total: f64,
}

impl Draw {
    fn new(logits: &[f32], options: &SamplingOptions, top_p: f64) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
        let is_greedy = options.temperature == 0.0;
        let k = if is_greedy { 1 } else { options.top_k };
        let k = if k == 0 { logits.len() } else { k.min(logits.len()) };
        let temperature = if is_greedy { 1.0 } else { options.temperature as f64 };
        let mut candidates: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        if k < logits.len() || top_p < 1.0 {
            // stable; -0 and 0 are equal
            candidates.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
            candidates.truncate(k);
        }
        let likely = max + (options.min_p as f64).ln();
        let p = |logit: f32| (logit as f64 - max).exp();
        let mut kept = candidates.len();
        if top_p < 1.0 {
            let wanted = top_p * candidates.iter().map(|c| p(c.1)).sum::<f64>();
            let mut sum = 0.0;
            let reaches = |c: &(u32, f32)| {
                sum += p(c.1);
                sum >= wanted
            };
            kept = candidates.iter().position(reaches).map_or(kept, |last| last + 1);
        }
        let weight = |&(id, logit): &(u32, f32)| {
            let is_kept = options.min_p == 0.0 || logit as f64 >= likely;
            (id, logit, if is_kept { ((logit as f64 - max) / temperature).exp() } else { 0.0 })
        };
        let candidates: Vec<_> = candidates.iter().map(weight).collect();
        let total = candidates[..kept].iter().map(|c| c.2).sum();
        Self { candidates, kept, total }
    }

    /// Which token a number draws.
    fn by(&self, unit: f64) -> u32 {
        let mut left = unit * self.total;
        let mut chosen = 0;
        for &(id, _, weight) in self.candidates[..self.kept].iter().filter(|c| c.2 > 0.0) {
            chosen = id;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        chosen
    }

    /// How far a number is from those that draw this token. Tokens behind those that are kept are drawn by numbers above 1.
    fn distance(&self, unit: f64, id: u32) -> f64 {
        let mut sum = 0.0;
        for &(other, _, weight) in &self.candidates {
            let (from, to) = (sum / self.total, (sum + weight) / self.total);
            sum += weight;
            if other == id && weight > 0.0 {
                return (from - unit).max(unit - to).max(0.0);
            }
        }
        f64::INFINITY
    }
}

/// Whether the device drew what the sampler does. If not, but a border is near, it may; otherwise the error says what is wrong.
fn agrees(sampler: &Sampler, logits: &[f32], id: u32) -> std::result::Result<bool, String> {
    let (options, unit) = (sampler.options(), sampler.unit(0));
    // afterwards with penalties and biases
    let mut logits = logits.to_vec();
    let expected = sampler.clone().sample(&mut logits).unwrap().id;
    let top_p = options.top_p as f64;
    assert_eq!(Draw::new(&logits, options, top_p).by(unit), expected, "the chain here is another than the sampler's");
    if id == expected {
        return Ok(true);
    }
    // a share within rounding of a border may keep one token more or less
    let shares = [top_p - 2e-6, top_p, top_p + 2e-6].into_iter().filter(|p| (*p < 1.0) == (top_p < 1.0));
    let distances = shares.map(|top_p| Draw::new(&logits, options, top_p).distance(unit, id));
    let nearest = distances.fold(f64::INFINITY, f64::min);
    if nearest <= BORDER { Ok(false) } else { Err(format!("drew {id}, not {expected}: {nearest:.1e} off")) }
}

fn gaussian(random: &mut SplitMix64) -> f32 {
    let (a, b) = (random.next_unit(), random.next_unit());
    ((-2.0 * (1.0 - a).ln()).sqrt() * (b * std::f64::consts::TAU).cos()) as f32
}

/// Logits of every kind for a vocabulary.
fn distributions(vocabulary: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut random = SplitMix64::new(vocabulary as u64);
    let mut spread = |by: f32| -> Vec<f32> { (0..vocabulary).map(|_| by * gaussian(&mut random)).collect() };
    let ordinary = spread(3.0);
    let mut dominated = spread(1.0);
    dominated[vocabulary / 2] = 40.0;
    let ties: Vec<f32> = spread(2.0).iter().map(|logit| logit.round()).collect();
    let mut banned = spread(2.0);
    (0..vocabulary).filter(|i| i % 3 != 1).for_each(|i| banned[i] = f32::NEG_INFINITY);
    let large: Vec<f32> = spread(4.0).iter().map(|logit| logit + 1000.0).collect();
    let mut last = vec![f32::NEG_INFINITY; vocabulary];
    last[vocabulary - 1] = -7.0;
    vec![
        ("ordinary", ordinary),
        ("one dominates", dominated),
        ("ties", ties),
        ("two of three banned", banned),
        ("large", large),
        ("flat", vec![0.5; vocabulary]),
        ("the last alone", last),
    ]
}

fn warm() -> SamplingOptions {
    SamplingOptions { temperature: 0.8, seed: 1, ..Default::default() }
}

/// Every option alone and with others.
fn combinations(vocabulary: usize) -> Vec<SamplingOptions> {
    let third = vocabulary as u32 / 3;
    let penalties = SamplingOptions {
        repetition_penalty: 1.3,
        presence_penalty: 0.4,
        frequency_penalty: 0.7,
        penalty_last_n: 5,
        ..warm()
    };
    vec![
        warm(),
        SamplingOptions { temperature: 3.0, ..warm() },
        SamplingOptions { temperature: f32::MIN_POSITIVE, ..warm() },
        SamplingOptions { temperature: f32::MAX, ..warm() },
        SamplingOptions { top_k: 3, ..warm() },
        SamplingOptions { top_k: 40, top_p: 0.95, ..warm() },
        SamplingOptions { top_k: 3000, temperature: 1.5, ..warm() },
        SamplingOptions { top_p: 0.9, ..warm() },
        SamplingOptions { top_p: 0.9999, temperature: 1.2, ..warm() },
        SamplingOptions { top_p: 0.0, ..warm() },
        SamplingOptions { min_p: 0.05, ..warm() },
        SamplingOptions { min_p: 1.0, ..warm() },
        SamplingOptions { top_k: 3, min_p: 1.0, ..warm() },
        SamplingOptions { top_k: 50, top_p: 0.83, min_p: 0.1, temperature: 1.1, ..warm() },
        SamplingOptions { top_k: 20, ..penalties.clone() },
        SamplingOptions { temperature: 0.0, ..penalties.clone() },
        SamplingOptions { repetition_penalty: f32::MIN_POSITIVE, presence_penalty: -f32::MAX, ..penalties },
        SamplingOptions {
            logit_bias: vec![(third, 2.0), (0, f32::NEG_INFINITY), (third, 1.5)],
            temperature: 2.0,
            top_p: 0.99,
            ..warm()
        },
        SamplingOptions { logit_bias: vec![(1, f32::MAX), (2, f32::MAX)], ..warm() },
    ]
}

/// Draws from rows with each of some options: how many there were, and how many of them on a border.
fn compare(
    device: &Rc<Device>,
    distributions: Vec<(&str, Vec<f32>)>,
    combinations: Vec<SamplingOptions>,
    draws: usize,
) -> (usize, usize) {
    let (names, rows): (Vec<_>, Vec<_>) = distributions.into_iter().unzip();
    let vocabulary = rows[0].len();
    let mut rows = Rows::new(device, rows);
    // a window may begin before the prompt, or in it
    let prompt: Vec<u32> = [0, 1, 3, 1, 2, 1, 4, 4].map(|id: u32| id.min(vocabulary as u32 - 1)).to_vec();
    let (mut all, mut on_border) = (0, 0);
    for options in combinations {
        for (row, name) in names.iter().enumerate() {
            for length in [2, prompt.len()] {
                let logits = rows.rows[row].clone();
                let mut sampler = Sampler::new(options.clone(), vocabulary).unwrap();
                prompt[..length].iter().for_each(|&id| sampler.accept(id).unwrap());
                let how = sampler.on_device().unwrap();
                assert!(rows.gpu.begin_sampling(&how, &prompt[..length]).unwrap(), "{options:?}");
                for i in 0..draws {
                    let (id, _) = rows.draw(row, sampler.unit(0) as f32, length - 1 + i).unwrap();
                    match agrees(&sampler, &logits, id) {
                        Ok(is_same) => on_border += usize::from(!is_same),
                        Err(why) => panic!("{vocabulary} tokens, {name}, {options:?}, draw {i}: {why}"),
                    }
                    sampler.skip();
                    sampler.accept(id).unwrap();
                    all += 1;
                }
            }
        }
    }
    println!("{vocabulary} tokens: {all} draws, {on_border} on a border");
    (all, on_border)
}

#[test]
fn the_device_draws_what_the_sampler_draws() {
    let Some(device) = device() else { return };
    for (vocabulary, draws) in [(5, 6), (300, 6), (2048, 3), (2049, 3), (5000, 3)] {
        let (all, on_border) = compare(&device, distributions(vocabulary), combinations(vocabulary), draws);
        assert!(all > 500 && on_border * 200 < all, "{on_border} of {all} draws lie on a border");
    }
}

#[test]
fn from_the_largest_vocabularies_too() {
    let Some(device) = device() else { return };
    for vocabulary in [151_936, 262_144] {
        let distributions =
            distributions(vocabulary).into_iter().filter(|(name, _)| ["ordinary", "ties"].contains(name));
        let (all, on_border) = compare(&device, distributions.collect(), combinations(vocabulary), 1);
        // of so many tokens a border is never far
        assert!(all > 50 && on_border * 10 < all, "{on_border} of {all} draws lie on a border");
    }
}

/// In f32 a number just below 1 is 1: the last token is drawn, but none that has no weight.
#[test]
fn the_least_and_the_largest_number_draw_what_is_kept() {
    let Some(device) = device() else { return };
    for vocabulary in [5, 2049] {
        let (names, logits): (Vec<_>, Vec<_>) = distributions(vocabulary).into_iter().unzip();
        let mut rows = Rows::new(&device, logits);
        for options in combinations(vocabulary) {
            let mut sampler = Sampler::new(options.clone(), vocabulary).unwrap();
            sampler.accept(1).unwrap();
            assert!(rows.gpu.begin_sampling(&sampler.on_device().unwrap(), &[1]).unwrap());
            for (row, name) in names.iter().enumerate() {
                let mut logits = rows.rows[row].clone();
                sampler.clone().sample(&mut logits).unwrap(); // applies biases and penalties
                let expected = Draw::new(&logits, &options, options.top_p as f64);
                let (first, _) = rows.draw(row, 0.0, 0).unwrap();
                assert_eq!(first, expected.by(0.0), "{vocabulary} tokens, {name}, {options:?}");
                let (last, _) = rows.draw(row, 1.0, 0).unwrap();
                let distance = expected.distance(1.0, last);
                assert!(distance <= BORDER, "{vocabulary} tokens, {name}, {options:?}: {last} is {distance} off");
            }
        }
    }
}

#[test]
fn a_token_that_was_not_drawn_is_noticed() {
    for vocabulary in [5, 300, 5000] {
        for (_, logits) in distributions(vocabulary) {
            for options in combinations(vocabulary) {
                let sampler = Sampler::new(options.clone(), vocabulary).unwrap();
                let drawn = sampler.clone().sample(&mut logits.clone()).unwrap().id;
                assert_eq!(agrees(&sampler, &logits, drawn), Ok(true));
                let half = (drawn as usize + vocabulary / 2) % vocabulary;
                assert!(agrees(&sampler, &logits, half as u32).is_err(), "{options:?}: {half} passed for {drawn}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_found_and_named() {
    let Some(device) = device() else { return };
    let vocabulary = 5000;
    let with = |bad: &[(usize, f32)]| {
        let mut logits = vec![1.0; vocabulary];
        bad.iter().for_each(|&(index, value)| logits[index] = value);
        logits
    };
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let cases = [
        with(&[(0, nan)]),
        with(&[(4999, infinity)]),
        with(&[(3000, infinity), (2500, nan), (2600, nan)]),
        with(&[(7, -nan), (6, -infinity)]),
    ];
    let none = vec![-infinity; vocabulary];
    let mut lowest = none.clone();
    lowest[4321] = f32::MIN;
    let mut rows = Rows::new(&device, cases.iter().cloned().chain([none, lowest]).collect());
    for options in combinations(vocabulary) {
        let mut sampler = Sampler::new(options.clone(), vocabulary).unwrap();
        sampler.accept(3).unwrap();
        assert!(rows.gpu.begin_sampling(&sampler.on_device().unwrap(), &[3]).unwrap());
        for (row, logits) in cases.iter().enumerate() {
            let (index, value) = rows.draw(row, 0.5, 0).unwrap();
            let error = sampler.clone().sample(&mut logits.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFinite);
            assert!(!value.is_finite() && error.detail().starts_with(&format!("logit {index} of")), "{index}: {error}");
        }
        assert_eq!(rows.draw(cases.len(), 0.5, 0).unwrap().1, f32::NEG_INFINITY, "{options:?}");
        // the least that is finite can follow
        if options.logit_bias.is_empty() {
            assert_eq!(rows.draw(cases.len() + 1, 0.5, 0).unwrap(), (4321, f32::MIN), "{options:?}");
        }
    }
}

/// What a grammar forbids is never drawn, and of the rest what the sampler draws.
#[test]
fn only_what_is_allowed_is_drawn() {
    let Some(device) = device() else { return };
    for vocabulary in [33, 5000, 151_936] {
        let (mut all, mut on_border, mut differ) = (0, 0, 0);
        let wanted = |(name, _): &(&str, Vec<f32>)| ["ordinary", "ties", "flat", "one dominates"].contains(name);
        let (names, logits): (Vec<_>, Vec<_>) = distributions(vocabulary).into_iter().filter(wanted).unzip();
        let mut rows = Rows::new(&device, logits);
        let mut options = combinations(vocabulary);
        options.push(SamplingOptions::default()); // greedy
        options.truncate(if vocabulary > 100_000 { 8 } else { options.len() });
        for options in options {
            for (row, name) in names.iter().enumerate() {
                for every in [1, 3, vocabulary / 2 + 1] {
                    let mut allowed = Allowed::new(&[], vocabulary);
                    (1..vocabulary).step_by(every).for_each(|id| allowed.insert(id as u32));
                    let mut sampler = Sampler::new(options.clone(), vocabulary).unwrap();
                    sampler.accept(1).unwrap();
                    sampler.allow(Some(allowed.clone()));
                    assert!(rows.gpu.begin_sampling(&sampler.on_device().unwrap(), &[1]).unwrap());
                    rows.gpu.allow(allowed.words()).unwrap();
                    let (id, _) = rows.draw(row, sampler.unit(0) as f32, 0).unwrap();
                    assert!(allowed.contains(id), "{vocabulary} tokens, {name}, {options:?}: {id} is not allowed");
                    let logits = rows.rows[row].clone();
                    match agrees(&sampler, &logits, id) {
                        Ok(is_same) => on_border += usize::from(!is_same),
                        Err(why) => panic!("{vocabulary} tokens, {name}, {options:?}, every {every}: {why}"),
                    }
                    sampler.allow(None);
                    differ += usize::from(sampler.sample(&mut logits.clone()).unwrap().id != id);
                    all += 1;
                }
            }
        }
        println!("{vocabulary} tokens: {all} draws, {on_border} on a border, {differ} differ from free ones");
        assert!(all > 80 && on_border * 10 < all && differ * 10 > all, "{on_border} {differ} of {all}");
    }
}

#[test]
fn what_the_device_has_no_room_for_is_left_to_the_host() {
    let Some(device) = device() else { return };
    let mut rows = Rows::new(&device, vec![vec![0.0; 2000]]);
    let mut begins = |options: SamplingOptions| {
        let how = Sampler::new(options, 2000).unwrap().on_device().unwrap();
        rows.gpu.begin_sampling(&how, &[1, 2]).unwrap()
    };
    let biases = |count: u32| SamplingOptions { logit_bias: (0..count).map(|id| (id, 1.0)).collect(), ..warm() };
    let window = |penalty_last_n| SamplingOptions { presence_penalty: 1.0, penalty_last_n, ..warm() };
    assert!(begins(biases(1024)) && !begins(biases(1025)));
    assert!(begins(window(65_535)) && !begins(window(65_536)));
    // without penalties a window is none
    assert!(begins(SamplingOptions { penalty_last_n: 65_536, ..warm() }));
    let logprobs = SamplingOptions { top_logprobs: Some(0), ..warm() };
    assert!(Sampler::new(logprobs, 2000).unwrap().on_device().is_none());
    // if every token may be banned, that is an error of the options and not of the model
    let mut few = Rows::new(&device, vec![vec![0.0; 5]]);
    let how = Sampler::new(biases(5), 5).unwrap().on_device().unwrap();
    assert!(!few.gpu.begin_sampling(&how, &[]).unwrap());
    let mut none = Gpu::on(device.clone()).unwrap();
    none.create_sampler((1 << 19) + 1, 1).unwrap();
    assert!(!none.begin_sampling(&how, &[]).unwrap());
    assert_eq!(none.bytes(), 0);
    none.create_sampler(1 << 19, 1).unwrap();
    assert!(none.begin_sampling(&how, &[]).unwrap() && none.bytes() > 12 << 19);
    drop((rows, few, none));
    assert_eq!(device.buffer_bytes(), 0);
}

#[test]
fn mistakes_are_errors() {
    let Some(device) = device() else { return };
    let mut rows = Rows::new(&device, vec![vec![0.0; 5]]);
    let how = Sampler::new(warm(), 5).unwrap().on_device().unwrap();
    let kind = |outcome: Result<bool>| outcome.map_err(|e| e.kind());
    assert_eq!(kind(rows.gpu.begin_sampling(&how, &[0; CONTEXT + 1])), Err(ErrorKind::Internal));
    let other = pagelm::kernels::Sampling { biases: vec![(5, 1.0)], ..how };
    assert_eq!(kind(rows.gpu.begin_sampling(&other, &[0])), Err(ErrorKind::Internal));
    assert_eq!(rows.gpu.allow(&[0; 2]).map_err(|e| e.kind()), Err(ErrorKind::Internal), "a mask of another vocabulary");
    let (table, logits) = (rows.table, rows.logits);
    let pass = |gpu: &mut Gpu| {
        let step = Step { tokens: &[0], position: 0 };
        gpu.pass(step, PassKey { rows: 1, head: Head::Sample }, &mut |b| {
            b.embed(1, table, logits)?;
            b.sample(1, logits)
        })
    };
    assert_eq!(pass(&mut rows.gpu).map_err(|e| e.kind()), Err(ErrorKind::Internal), "no random number");
    rows.gpu.set_unit(0.5);
    assert_eq!(pass(&mut rows.gpu).map_err(|e| e.kind()), Ok(()));
    assert_eq!(pass(&mut rows.gpu).map_err(|e| e.kind()), Err(ErrorKind::Internal), "a number is for one pass");
}
