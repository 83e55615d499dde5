//! A paired permutation test, and Holm's correction for several of them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Most groups whose flips are all enumerated.
pub const MOST_IN_ALL_WAYS: usize = 14;

/// Fewest random flips for more groups.
pub const FLIPS: u32 = 10_000;

const SEED: u64 = 0x7061_6972_6564_2070;

/// How many random flips tests need of which there are several: the least p, 1 / (flips + 1), must stay far below 0.05
/// after it is corrected for all.
pub fn flips(tests: usize) -> u32 {
    FLIPS.max(u32::try_from(tests.saturating_mul(400)).unwrap_or(u32::MAX))
}

/// Two-sided p of a mean difference between two methods on the same cases, the same on every machine.
///
/// If the methods were equivalent, either could have produced either value of a case, so that the signs of the
/// differences are exchangeable; cases of a group (slide, duplicate cluster) are not independent and flip together.
/// p is the share of flips whose mean is as far from zero as the observed one (Good 2005, Permutation, Parametric and
/// Bootstrap Tests of Hypotheses, section 3.7): of all flips up to [`MOST_IN_ALL_WAYS`] groups that differ, else of
/// [`flips`] random ones and the observed one (Phipson and Smyth 2010).
///
/// # Shapes
///
/// - differences: `[groups]`, the sum of the differences of each group's cases
pub(super) fn p_of_difference(differences: &[f64], tests: usize) -> f64 {
    let differing: Vec<f64> = differences.iter().copied().filter(|sum| *sum != 0.0).collect();
    let size: f64 = differing.iter().map(|sum| sum.abs()).sum();
    // Rounding must not distinguish equal sums.
    let far = differing.iter().sum::<f64>().abs() - 1e-12 * size;
    p_of_flips(differing.len(), tests, |signs| flipped(&differing, signs).abs() >= far)
}

/// The same for any statistic of sums over cases: the rows of groups change sides. A difference that is undefined after
/// some of these changes counts as far from zero.
///
/// # Shapes
///
/// - first, second: `[groups, columns]`
pub(super) fn p_of_swaps(
    [first, second]: [&[f64]; 2],
    columns: usize,
    statistic: &dyn Fn(&[f64]) -> Option<f64>,
    tests: usize,
) -> f64 {
    let rows = first.chunks(columns).zip(second.chunks(columns));
    let differing: Vec<(&[f64], &[f64])> = rows.clone().filter(|(a, b)| a != b).collect();
    let mut alike = vec![0.0; columns];
    for (row, _) in rows.filter(|(a, b)| a == b) {
        add(&mut alike, row);
    }
    let difference = |signs: &[u64]| {
        let (mut a, mut b) = (alike.clone(), alike.clone());
        for (index, (of_a, of_b)) in differing.iter().enumerate() {
            let (to_a, to_b) = if is_set(signs, index) { (of_b, of_a) } else { (of_a, of_b) };
            add(&mut a, to_a);
            add(&mut b, to_b);
        }
        Some((statistic(&a)? - statistic(&b)?).abs())
    };
    let unchanged = vec![0; differing.len().div_ceil(64).max(1)];
    let Some(far) = difference(&unchanged) else { return 1.0 };
    p_of_flips(differing.len(), tests, |signs| {
        difference(signs).is_none_or(|found| found >= far - 1e-12)
    })
}

/// The share of flips of so many groups that are as far from zero as none.
fn p_of_flips(groups: usize, tests: usize, is_as_far: impl Fn(&[u64]) -> bool) -> f64 {
    if groups <= MOST_IN_ALL_WAYS {
        let ways = 1_u64 << groups;
        let as_far = (0..ways).filter(|&way| is_as_far(&[way])).count();
        return as_far as f64 / ways as f64;
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut signs = vec![0; groups.div_ceil(64)];
    let (mut as_far, mut done) = (0_u32, 0_u32);
    let all = flips(tests);
    // Once p is above any level for certain, more flips say nothing.
    while done < all && (done < FLIPS || as_far < FLIPS / 10) {
        signs.fill_with(|| random.next_u64());
        as_far += u32::from(is_as_far(&signs));
        done += 1;
    }
    f64::from(1 + as_far) / f64::from(1 + done)
}

fn add(sums: &mut [f64], row: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value;
    }
}

fn is_set(signs: &[u64], index: usize) -> bool {
    (signs[index / 64] >> (index % 64)) & 1 == 1
}

/// The sum with the signs of those numbers flipped whose bit is set.
fn flipped(numbers: &[f64], signs: &[u64]) -> f64 {
    let signed = |(i, number): (usize, &f64)| if is_set(signs, i) { -number } else { *number };
    numbers.iter().enumerate().map(signed).sum()
}

/// Corrects the p of several tests for the family-wise error rate (Holm 1979).
pub fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|&a, &b| ps[a].total_cmp(&ps[b]));
    let mut corrected = vec![1.0; ps.len()];
    let mut below = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        below = below.max((ps.len() - rank) as f64 * ps[index]).min(1.0);
        corrected[index] = below;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::testing::fixture;

    #[derive(Deserialize)]
    struct Expected {
        exact: Vec<Exact>,
        large: Vec<Exact>,
        holm: Vec<Holm>,
    }

    /// Differences and their p by SciPy.
    #[derive(Deserialize)]
    struct Exact {
        differences: Vec<f64>,
        p: f64,
    }

    /// Several p, and the same corrected by statsmodels.
    #[derive(Deserialize)]
    struct Holm {
        p: Vec<f64>,
        corrected: Vec<f64>,
    }

    fn expected() -> Expected {
        serde_json::from_str(&std::fs::read_to_string(fixture("permutation.json")).unwrap())
            .unwrap()
    }

    #[test]
    fn few_groups_give_the_exact_p_of_scipy() {
        for Exact { differences, p } in expected().exact {
            let found = p_of_difference(&differences, 1);
            assert!((found - p).abs() < 1e-12, "{found} for {p}: {differences:?}");
        }
    }

    #[test]
    fn many_groups_give_its_p_but_for_chance() {
        for Exact { differences, p } in expected().large {
            let found = p_of_difference(&differences, 1);
            // Both are drawn: four standard errors of the difference of 10,000 and 1,000,000 flips.
            let error = 4.0 * (p * (1.0 - p) * (1.0 / 10_000.0 + 1.0 / 1_000_000.0)).sqrt();
            assert!((found - p).abs() < error + 1e-4, "{found} for {p}");
        }
    }

    #[test]
    fn equal_methods_do_not_differ() {
        assert_eq!(p_of_difference(&[], 1), 1.0);
        assert_eq!(p_of_difference(&[0.0; 20], 1), 1.0);
    }

    #[test]
    fn several_tests_are_corrected_as_by_statsmodels() {
        #[derive(Deserialize)]
        struct OfStatsmodels {
            holm: Vec<Holm>,
        }
        let text = std::fs::read_to_string(fixture("of_statsmodels.json")).unwrap();
        let large: OfStatsmodels = serde_json::from_str(&text).unwrap();
        for Holm { p, corrected } in expected().holm.into_iter().chain(large.holm) {
            assert_eq!(p.len(), corrected.len());
            for (found, expected) in holm(&p).into_iter().zip(corrected) {
                assert!((found - expected).abs() < 1e-12, "{found} for {expected}: {p:?}");
            }
        }
    }
}
