//! A seeded order that is the same on every machine: no `usize` and no float enters it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers for a seed and a purpose; streams of different purposes are unrelated.
pub fn stream(seed: u32, purpose: &[u8; 8]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(purpose);
    ChaCha8Rng::from_seed(key)
}

/// A number below `bound`, all equally likely (Lemire 2019, ACM TOMACS 29:3). `bound` is not 0.
pub(super) fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// Puts items in random order (Fisher and Yates), by numbers that are `below` a bound.
pub(super) fn shuffle<T>(items: &mut [T], mut below: impl FnMut(u32) -> u32) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_values() {
        let mut rng = stream(0, b"test    ");
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[below(&mut rng, 6) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (60..140).contains(&count)), "{seen:?}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        let mut rng = stream(3, b"test    ");
        shuffle(&mut items, |bound| below(&mut rng, bound));
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
