use super::*;

fn sampler(options: SamplingOptions, vocabulary_size: usize) -> Sampler {
    Sampler::new(options, vocabulary_size).unwrap()
}

fn warm() -> SamplingOptions {
    SamplingOptions { temperature: 1.0, seed: 42, ..Default::default() }
}

/// How often each id comes up in `n` draws.
fn histogram(options: SamplingOptions, logits: &[f32], n: usize) -> Vec<usize> {
    let mut sampler = sampler(options, logits.len());
    let mut counts = vec![0; logits.len()];
    for _ in 0..n {
        counts[sampler.sample(&mut logits.to_vec()).unwrap().id as usize] += 1;
    }
    counts
}

/// Pearson's statistic of `counts` against probabilities, which are renormalised; a count where p is 0 is infinite.
fn chi_square(counts: &[usize], weights: &[f64]) -> f64 {
    let (n, total) = (counts.iter().sum::<usize>() as f64, weights.iter().sum::<f64>());
    counts
        .iter()
        .zip(weights)
        .filter(|&(&count, &weight)| count > 0 || weight > 0.0)
        .map(|(&count, &weight)| {
            let expected = n * weight / total;
            (count as f64 - expected).powi(2) / expected
        })
        .sum()
}

const LOGITS: [f32; 8] = [0.0, 1.0, -1.0, 2.0, 0.5, 1.5, -3.0, 1.75];
/// The 0.999 quantile of chi-square with 7 degrees of freedom.
const LIMIT: f64 = 24.32;

#[test]
fn draws_follow_the_probabilities() {
    for temperature in [0.5f32, 1.0, 2.0] {
        let counts = histogram(SamplingOptions { temperature, ..warm() }, &LOGITS, 50_000);
        let weights: Vec<f64> = LOGITS.iter().map(|&l| (l as f64 / temperature as f64).exp()).collect();
        let statistic = chi_square(&counts, &weights);
        assert!(statistic < LIMIT, "{temperature}: {statistic} {counts:?}");
        // the comparison can fail: the same draws do not fit another temperature
        let wrong: Vec<f64> = LOGITS.iter().map(|&l| (l as f64 / (temperature as f64 * 1.3)).exp()).collect();
        assert!(chi_square(&counts, &wrong) > LIMIT);
    }
}

#[test]
fn truncation_keeps_the_right_tokens_and_their_ratios() {
    let order = [3, 7, 5, 1, 4, 0, 2, 6]; // LOGITS, most likely first
    let p: Vec<f64> = log_softmax(&LOGITS).unwrap().iter().map(|l| l.exp()).collect();
    let nucleus = order
        .iter()
        .scan(0.0, |sum, &id| {
            *sum += p[id];
            Some(*sum)
        })
        .position(|sum| sum >= 0.8)
        .unwrap()
        + 1;
    let least = order.iter().filter(|&&id| p[id] >= 0.3 * p[3]).count();
    let cases = [
        (SamplingOptions { top_k: 3, ..warm() }, 3),
        (SamplingOptions { top_k: 100, ..warm() }, 8),
        (SamplingOptions { top_p: 0.8, ..warm() }, nucleus),
        (SamplingOptions { top_p: 0.0, ..warm() }, 1),
        (SamplingOptions { min_p: 0.3, ..warm() }, least),
        (SamplingOptions { min_p: 1.0, ..warm() }, 1),
        (SamplingOptions { top_k: 5, top_p: 0.99, min_p: 0.3, ..warm() }, least.min(5)),
    ];
    for (options, kept) in cases {
        let weights: Vec<f64> = (0..8).map(|id| if order[..kept].contains(&id) { p[id] } else { 0.0 }).collect();
        let counts = histogram(options.clone(), &LOGITS, 20_000);
        assert!(chi_square(&counts, &weights) < LIMIT, "{options:?} {counts:?}");
    }
}

#[test]
fn a_nucleus_wider_than_the_first_guess_is_found() {
    let mut candidates: Vec<(u32, f32)> = (0..10_000).map(|id| (id, 0.0)).collect();
    keep_nucleus(&mut candidates, 0.0, 0.5);
    assert_eq!(candidates.len(), 5000);
    assert!(candidates.iter().zip(0..).all(|(&(id, _), expected)| id == expected));
    keep_nucleus(&mut candidates, 0.0, 1.0);
    assert_eq!(candidates.len(), 5000);
}

#[test]
fn a_seed_determines_every_token() {
    let run = |seed| {
        let mut sampler = sampler(SamplingOptions { top_p: 0.95, seed, ..warm() }, LOGITS.len());
        (0..100).map(|_| sampler.sample(&mut LOGITS.to_vec()).unwrap().id).collect::<Vec<_>>()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn greedy_takes_the_lowest_id_of_a_tie() {
    let mut greedy = sampler(SamplingOptions::default(), 4);
    assert!(greedy.is_plain_greedy());
    assert_eq!(greedy.sample(&mut [1.0, 3.0, 3.0, f32::NEG_INFINITY]).unwrap().id, 1);
}

#[test]
fn penalties_follow_the_window_and_the_sign_of_the_logit() {
    let options = SamplingOptions {
        repetition_penalty: 2.0,
        presence_penalty: 0.25,
        frequency_penalty: 0.5,
        penalty_last_n: 3,
        ..Default::default()
    };
    let mut sampler = sampler(options, 4);
    assert!(!sampler.is_plain_greedy());
    for id in [3, 0, 1, 1] {
        sampler.accept(id).unwrap();
    }
    let mut logits = [4.0, -4.0, 1.0, 8.0];
    assert_eq!(sampler.sample(&mut logits).unwrap().id, 3); // token 3 has left the window
    assert_eq!(logits, [4.0 / 2.0 - 0.75, -4.0 * 2.0 - 1.25, 1.0, 8.0]);
}

#[test]
fn bias_bans_and_forces() {
    let ban = SamplingOptions { logit_bias: vec![(1, f32::NEG_INFINITY)], ..Default::default() };
    assert_eq!(sampler(ban, 3).sample(&mut [0.0, 9.0, 1.0]).unwrap().id, 2);
    let force = SamplingOptions { logit_bias: vec![(0, 100.0)], ..warm() };
    assert_eq!(sampler(force, 3).sample(&mut [0.0, 9.0, 1.0]).unwrap().id, 0);
    let all = SamplingOptions { logit_bias: vec![(0, f32::NEG_INFINITY)], ..warm() };
    assert_eq!(sampler(all, 1).sample(&mut [0.0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn logprobs_are_those_of_the_unmodified_distribution() {
    let options = SamplingOptions { logit_bias: vec![(2, 50.0)], top_logprobs: Some(2), ..Default::default() };
    let mut sampler = sampler(options, 3);
    assert!(!sampler.is_plain_greedy());
    let sampled = sampler.sample(&mut [1.0, 2.0, 0.0]).unwrap();
    let expected = log_softmax(&[1.0, 2.0, 0.0]).unwrap();
    assert_eq!(sampled.id, 2);
    assert_eq!(sampled.logprob, Some(expected[2]));
    let top: Vec<_> = sampled.top_logprobs.iter().map(|t| (t.id, t.logprob)).collect();
    assert_eq!(top, [(1, expected[1]), (0, expected[0])]);
}

#[test]
fn extreme_options_still_choose_a_token() {
    let logits = [f32::MAX, -f32::MAX, 0.0, f32::NEG_INFINITY];
    for options in [
        SamplingOptions { temperature: f32::MIN_POSITIVE, ..warm() },
        SamplingOptions { temperature: f32::MAX, ..warm() },
        SamplingOptions { repetition_penalty: f32::MIN_POSITIVE, ..warm() },
        SamplingOptions { presence_penalty: -f32::MAX, frequency_penalty: -f32::MAX, ..warm() },
        SamplingOptions { presence_penalty: f32::MAX, frequency_penalty: f32::MAX, ..warm() },
        SamplingOptions { logit_bias: vec![(0, f32::MAX), (0, f32::MAX)], ..warm() },
    ] {
        let mut sampler = sampler(options.clone(), 4);
        sampler.accept(0).unwrap();
        sampler.accept(0).unwrap();
        for _ in 0..50 {
            let id = sampler.sample(&mut logits.clone()).unwrap().id;
            assert!(id < 3, "{options:?} chose {id}");
        }
    }
}

#[test]
fn options_outside_their_limits_are_refused_with_the_value() {
    let base = SamplingOptions::default;
    let cases = [
        (SamplingOptions { temperature: -0.5, ..base() }, "-0.5"),
        (SamplingOptions { temperature: f32::NAN, ..base() }, "NaN"),
        (SamplingOptions { top_p: 1.5, ..base() }, "1.5"),
        (SamplingOptions { min_p: f32::NAN, ..base() }, "NaN"),
        (SamplingOptions { repetition_penalty: 0.0, ..base() }, "0"),
        (SamplingOptions { presence_penalty: f32::INFINITY, ..base() }, "inf"),
        (SamplingOptions { frequency_penalty: f32::NAN, ..base() }, "NaN"),
        (SamplingOptions { penalty_last_n: MAX_PENALTY_LAST_N + 1, ..base() }, "1048577"),
        (SamplingOptions { logit_bias: vec![(10, 0.0)], ..base() }, "10"),
        (SamplingOptions { logit_bias: vec![(1, f32::INFINITY)], ..base() }, "inf"),
        (SamplingOptions { logit_bias: vec![(1, 0.0); 11], ..base() }, "11"),
        (SamplingOptions { top_logprobs: Some(11), ..base() }, "11"),
    ];
    for (options, value) in cases {
        let error = Sampler::new(options, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.detail().contains(value), "{error}");
    }
}

#[test]
fn wrong_input_is_a_typed_error() {
    let mut sampler = sampler(warm(), 3);
    assert_eq!(sampler.sample(&mut [0.0; 2]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let error = sampler.sample(&mut [0.0, f32::NAN, 0.0]).unwrap_err();
    assert_eq!((error.kind(), error.detail().contains("logit 1")), (ErrorKind::NotFinite, true));
    assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY; 3]).unwrap_err().kind(), ErrorKind::NotFinite);
    assert_eq!(sampler.accept(3).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// A mask is what banning everything else by hand would be, with every option.
#[test]
fn what_is_not_allowed_is_as_if_it_were_banned() {
    let vocabulary = 70;
    let mut logits: Vec<f32> = (0..vocabulary).map(|i| ((i * 37) % 23) as f32 / 4.0).collect();
    logits[5] = 7.0;
    let allowed = Allowed::new(&[0x0f0f_0001, 0x8000_0000, 0b10], vocabulary);
    let banned: Vec<(u32, f32)> =
        (0..vocabulary as u32).filter(|&id| !allowed.contains(id)).map(|id| (id, f32::NEG_INFINITY)).collect();
    let warm = SamplingOptions { temperature: 1.3, seed: 3, ..Default::default() };
    for options in [
        SamplingOptions::default(),
        warm.clone(),
        SamplingOptions { top_k: 3, ..warm.clone() },
        SamplingOptions { top_p: 0.6, min_p: 0.1, ..warm.clone() },
        SamplingOptions { frequency_penalty: 0.5, logit_bias: vec![(0, 3.0)], ..warm },
    ] {
        let mut biases = banned.clone();
        biases.extend(&options.logit_bias);
        let mut by_hand = Sampler::new(SamplingOptions { logit_bias: biases, ..options.clone() }, vocabulary).unwrap();
        let mut masked = Sampler::new(options.clone(), vocabulary).unwrap();
        masked.allow(Some(allowed.clone()));
        assert!(!masked.is_plain_greedy() && masked.on_device().unwrap().constrained);
        for _ in 0..50 {
            let id = masked.sample(&mut logits.clone()).unwrap().id;
            assert_eq!(id, by_hand.sample(&mut logits.clone()).unwrap().id, "{options:?}");
            assert!(allowed.contains(id), "{id}");
            masked.accept(id).unwrap();
            by_hand.accept(id).unwrap();
        }
    }
    // what is likeliest of all is not what is likeliest of those
    let mut free = Sampler::new(SamplingOptions::default(), vocabulary).unwrap();
    assert!(!allowed.contains(free.sample(&mut logits.clone()).unwrap().id));
}

#[test]
fn a_mask_changes_no_log_probability() {
    let options = SamplingOptions { top_logprobs: Some(1), ..Default::default() };
    let mut sampler = Sampler::new(options, 3).unwrap();
    sampler.allow(Some(Allowed::new(&[0b001], 3)));
    let sampled = sampler.sample(&mut [1.0, 3.0, 2.0]).unwrap();
    assert_eq!((sampled.id, sampled.top_logprobs[0].id), (0, 1));
    let total: f64 = [1.0f64, 3.0, 2.0].map(f64::exp).iter().sum();
    assert!((sampled.logprob.unwrap() - (1.0 - total.ln())).abs() < 1e-9);
}

#[test]
fn allowing_nothing_is_an_error_of_the_caller() {
    let mut sampler = Sampler::new(SamplingOptions::default(), 3).unwrap();
    sampler.allow(Some(Allowed::new(&[], 3)));
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 2.0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
