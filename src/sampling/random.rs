//! The random numbers of sampling: small, seeded and the same on every machine.

/// The SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
///
/// One 64-bit word of state, period 2^64. Sampling draws one number a token, so a longer period buys nothing, and
/// ten lines here keep the promise "same seed, same text" independent of the versions of other crates.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

/// What the state grows by.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix64 {
    /// A generator whose whole sequence is determined by `seed`; every seed is valid, 0 too.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Goes on as after `n` more calls.
    pub fn skip(&mut self, n: u64) {
        self.state = self.state.wrapping_add(n.wrapping_mul(GAMMA));
    }

    /// The next number in [0, 1), a multiple of 2^-53.
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_seed_1234567_is_the_published_one() {
        let mut random = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn skipping_is_drawing() {
        let (mut drawn, mut skipped) = (SplitMix64::new(5), SplitMix64::new(5));
        (0..3).for_each(|_| _ = drawn.next_u64());
        skipped.skip(3);
        assert_eq!(skipped.next_u64(), drawn.next_u64());
    }

    #[test]
    fn units_stay_below_one() {
        let mut random = SplitMix64::new(0);
        assert!((0..10_000).map(|_| random.next_unit()).all(|u| (0.0..1.0).contains(&u)));
    }
}
