//! Confidence intervals of figures, by resamples of whole groups that hold one group more than was seen.
//!
//! Each resample weighs the groups anew (the Bayesian bootstrap: weights are exponential, Rubin 1981, The Annals of
//! Statistics 9:130-134). Few groups do not show what else there is: of ten lesions that were all found, every resample
//! says that all are found. So each resample has one more group, weighed like the others, for which the figure would be
//! lowest, or highest, and the interval runs from the 2.5 % quantile with the lowest to the 97.5 % quantile with the
//! highest. For the mean of values between two bounds this is Gaffke's interval (2005, Mathematical Methods of Statistics
//! 14:451-467; Learned-Miller and Thomas 2019, arXiv:1905.06208); for the share of cases it is that of Clopper and Pearson
//! (1934). With many groups the one more counts for nothing. What it covers: docs/explanation/intervals.md.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::metric::quantile;

/// Part of repeated studies whose interval should hold the true figure.
pub const CONFIDENCE: f64 = 0.95;

/// How often the groups are weighed anew.
pub const RESAMPLES: usize = 2000;

/// Fewest groups that get an interval: with fewer it would be nearly all that a figure can be.
pub const FEWEST_GROUPS: usize = 5;

const SEED: u64 = 0x6f6e_636f_7370_6563;

/// What resamples say of a statistic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resampled {
    /// Its interval ([`CONFIDENCE`]); `None` where they say nothing of what other cases would give.
    pub interval: Option<(f64, f64)>,
    /// Why there is none; else empty.
    pub note: String,
}

impl Resampled {
    /// No interval, for a reason.
    fn none(why: String) -> Self {
        Self { interval: None, note: why }
    }

    /// None, because groups are too few.
    pub fn few(groups: usize, of: &str) -> Self {
        let s = if groups == 1 { "" } else { "s" };
        Self::none(format!("{groups} group{s}{of}, fewer than {FEWEST_GROUPS}"))
    }

    /// From the values of a statistic in the resamples, with the lowest and with the highest group more.
    fn of(mut lowest: Vec<f64>, mut highest: Vec<f64>) -> Self {
        if lowest.is_empty() || highest.is_empty() {
            return Self::none("undefined in every resample".into());
        }
        let tail = (1.0 - CONFIDENCE) / 2.0;
        lowest.sort_unstable_by(f64::total_cmp);
        highest.sort_unstable_by(f64::total_cmp);
        let (low, high) = (quantile(&lowest, tail), quantile(&highest, 1.0 - tail));
        if low == high {
            return Self::none("the same in every resample".into());
        }
        Self { interval: Some((low, high)), note: String::new() }
    }
}

/// Weighted sums over the groups of each resample, the same on every machine.
///
/// Cases of a group (slide, duplicate cluster) are not independent, so whole groups are weighed. Whatever is to be
/// resampled together lies in one table, so that every figure is taken over the same weights and these need no memory.
#[derive(Clone, Debug)]
pub struct ResampledSums {
    columns: usize,
    /// `[RESAMPLES, columns]`, or nothing with fewer than [`FEWEST_GROUPS`] groups.
    sums: Vec<f64>,
    /// `[RESAMPLES]`: the weight of one group more.
    more: Vec<f64>,
}

impl ResampledSums {
    /// Resamples the rows of a table, one for each group.
    ///
    /// # Shapes
    ///
    /// - table: `[groups, columns]`
    ///
    /// # Panics
    ///
    /// If the table is not made of whole rows.
    pub fn new(table: &[f64], columns: usize) -> Self {
        assert_eq!(table.len() % columns.max(1), 0, "rows of {columns} columns");
        let groups = table.len() / columns.max(1);
        if groups < FEWEST_GROUPS {
            return Self { columns, sums: Vec::new(), more: Vec::new() };
        }
        let mut sums = vec![0.0; RESAMPLES * columns];
        let mut more = Vec::with_capacity(RESAMPLES);
        let mut resamples = sums.chunks_mut(columns);
        weigh(groups, |weights, weight_of_more| {
            let sums = resamples.next().expect("as many as there are resamples");
            for (row, weight) in table.chunks(columns).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
            more.push(weight_of_more);
        });
        Self { columns, sums, more }
    }

    /// What the resamples say of a statistic of the sums of neighbouring columns, if one group more has there the values
    /// `lowest` or `highest`. Resamples for which it is undefined are left out.
    ///
    /// # Shapes
    ///
    /// - lowest, highest: `[n]`, of the columns from `first` on
    pub fn interval(
        &self,
        first: usize,
        [lowest, highest]: [&[f64]; 2],
        statistic: impl Fn(&[f64]) -> Option<f64>,
    ) -> Resampled {
        let with = |more_of: &[f64]| {
            let resamples = self.sums.chunks(self.columns.max(1)).zip(&self.more);
            let value = |(sums, more): (&[f64], &f64)| {
                let sums = sums[first..].iter().zip(more_of).map(|(sum, of)| sum + more * of);
                statistic(&sums.collect::<Vec<f64>>())
            };
            resamples.filter_map(value).collect()
        };
        Resampled::of(with(lowest), with(highest))
    }

    /// What they say of the mean of values between two bounds, whose sum and number are the columns from `first` on; a group
    /// has `size` of them on average.
    pub fn mean(&self, first: usize, size: f64, (lowest, highest): (f64, f64)) -> Resampled {
        let more = [[size * lowest, size], [size * highest, size]];
        self.interval(first, more.each_ref().map(<[f64; 2]>::as_slice), |sums| {
            Some(sums[0] / sums[1])
        })
    }
}

/// What resamples say of statistics, given the weights of the groups and of one group more: of each the lowest and the
/// highest value that this group can give it. Resamples for which one is undefined are left out of it. The weights are
/// those of [`ResampledSums`].
pub fn weighted_intervals(
    groups: usize,
    statistics: usize,
    ends: impl Fn(&[f64], f64) -> Vec<Option<(f64, f64)>>,
) -> Vec<Resampled> {
    if groups < FEWEST_GROUPS {
        return vec![Resampled::few(groups, ""); statistics];
    }
    let mut found: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); statistics];
    weigh(groups, |weights, more| {
        for ((lowest, highest), ends) in found.iter_mut().zip(ends(weights, more)) {
            if let Some((low, high)) = ends {
                lowest.push(low);
                highest.push(high);
            }
        }
    });
    found.into_iter().map(|(lowest, highest)| Resampled::of(lowest, highest)).collect()
}

/// Gives the weights of the groups in each resample, and that of one group more.
fn weigh(groups: usize, mut take: impl FnMut(&[f64], f64)) {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut weights = vec![0.0; groups];
    for _ in 0..RESAMPLES {
        weights.fill_with(|| exponential(&mut random));
        take(&weights, exponential(&mut random));
    }
}

/// A number from the exponential distribution of mean 1.
fn exponential(random: &mut ChaCha8Rng) -> f64 {
    // 53 bits: above 0, up to 1. The logarithm is libm's, since that of the system differs from one to the next.
    let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -libm::log(uniform)
}

/// Interval ([`CONFIDENCE`]) of the mean of `values` between two bounds, weighing whole groups; `groups` names the group of
/// each value. `None` where there are fewer than [`FEWEST_GROUPS`].
///
/// # Panics
///
/// If the slices differ in length.
pub fn mean_interval<G: Ord>(
    values: &[f64],
    groups: &[G],
    bounds: (f64, f64),
) -> Option<(f64, f64)> {
    assert_eq!(values.len(), groups.len(), "one group for each value");
    let mut sums = BTreeMap::<&G, [f64; 2]>::new();
    for (value, group) in values.iter().zip(groups) {
        let [sum, n] = sums.entry(group).or_default();
        *sum += value;
        *n += 1.0;
    }
    let size = values.len() as f64 / sums.len() as f64;
    let table: Vec<f64> = sums.into_values().flatten().collect();
    ResampledSums::new(&table, 2).mean(0, size, bounds).interval
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn alone(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("case {i}")).collect()
    }

    fn interval(values: &[f64], groups: &[String]) -> Option<(f64, f64)> {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        mean_interval(values, &groups, (0.0, 1.0))
    }

    /// 0, 1/n, 2/n, .. in a scattered order.
    fn spread(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i * 7919 % n) as f64 / n as f64).collect()
    }

    #[derive(Deserialize)]
    struct Fixture {
        shares: Vec<Share>,
        clusters: Vec<Clusters>,
    }

    #[derive(Deserialize)]
    struct Share {
        k: usize,
        n: usize,
        interval: (f64, f64),
    }

    #[derive(Deserialize)]
    struct Clusters {
        values: Vec<f64>,
        groups: Vec<String>,
        interval: (f64, f64),
    }

    /// Intervals of shares by statsmodels.
    #[derive(Deserialize)]
    struct OfStatsmodels {
        shares: Vec<Share>,
    }

    fn fixture() -> Fixture {
        let json = std::fs::read(crate::testing::fixture("intervals.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    /// Both ends within the chance of 2,000 resamples.
    fn close(found: (f64, f64), expected: (f64, f64), what: &str) {
        let tolerance = 0.07 * (expected.1 - expected.0);
        let error = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
        assert!(error < tolerance, "{what}: {found:?}, not {expected:?}");
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_clopper_and_pearson() {
        let json = std::fs::read(crate::testing::fixture("of_statsmodels.json")).unwrap();
        let more: OfStatsmodels = serde_json::from_slice(&json).unwrap();
        for Share { k, n, interval: expected } in fixture().shares.into_iter().chain(more.shares) {
            let values: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i < k))).collect();
            close(interval(&values, &alone(n)).unwrap(), expected, &format!("{k} of {n}"));
        }
    }

    #[test]
    fn the_interval_of_a_mean_over_clusters_is_that_of_many_more_resamples_in_numpy() {
        for Clusters { values, groups, interval: expected } in fixture().clusters {
            close(
                interval(&values, &groups).unwrap(),
                expected,
                &format!("{} values", values.len()),
            );
        }
    }

    #[test]
    fn equal_values_have_an_interval_since_others_may_differ() {
        let (low, high) = interval(&[0.25; 20], &alone(20)).unwrap();
        assert!(low < 0.24 && high > 0.3, "{low} to {high}");
    }

    #[test]
    fn with_many_cases_the_interval_is_that_of_the_normal_distribution() {
        let values = spread(1000);
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1000.0;
        let margin = 1.96 * (variance / 1000.0).sqrt();
        let (low, high) = interval(&values, &alone(1000)).unwrap();
        assert!((low - (mean - margin)).abs() < 0.15 * margin, "{low}");
        assert!((high - (mean + margin)).abs() < 0.15 * margin, "{high}");
    }

    #[test]
    fn copies_of_a_case_in_one_group_do_not_narrow_the_interval() {
        let (values, groups) = (spread(40), alone(40));
        let nine_times = |i: usize| i / 9;
        let copied_values: Vec<f64> = (0..360).map(|i| values[nine_times(i)]).collect();
        let copied_groups: Vec<String> = (0..360).map(|i| groups[nine_times(i)].clone()).collect();
        let (low, high) = interval(&values, &groups).unwrap();
        let (copied_low, copied_high) = interval(&copied_values, &copied_groups).unwrap();
        assert!((low - copied_low).abs() < 1e-12 && (high - copied_high).abs() < 1e-12);
        let (naive_low, naive_high) = interval(&copied_values, &alone(360)).unwrap();
        assert!(naive_high - naive_low < 0.5 * (high - low));
    }

    #[test]
    fn the_interval_is_the_same_every_time() {
        let first = interval(&spread(50), &alone(50));
        assert_eq!(first, interval(&spread(50), &alone(50)));
    }

    #[test]
    fn the_weights_are_the_same_on_every_machine() {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let weights: Vec<f64> = (0..3).map(|_| exponential(&mut random)).collect();
        assert_eq!(weights, [0.9700023964480946, 1.5117234975730354, 0.01702281629963653]);
        let mean = (0..10_000).map(|_| exponential(&mut random)).sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.04, "{mean}");
    }

    #[test]
    fn columns_are_resampled_together() {
        let table: Vec<f64> =
            (0..12).flat_map(|i| [f64::from(i), 2.0 * f64::from(i), 1.0]).collect();
        let resampled = ResampledSums::new(&table, 3);
        let nothing = [0.0; 3];
        let ratio = resampled.interval(0, [&nothing, &nothing], |sums| Some(sums[1] / sums[0]));
        assert_eq!(ratio, Resampled::none("the same in every resample".into()));
        let undefined = Resampled::none("undefined in every resample".into());
        assert_eq!(resampled.interval(0, [&nothing, &nothing], |_| None), undefined);
    }

    #[test]
    fn few_groups_get_no_interval() {
        assert_eq!(interval(&spread(4), &alone(4)), None);
        assert!(interval(&spread(5), &alone(5)).is_some());
        assert_eq!(interval(&spread(40), &vec!["one slide".to_owned(); 40]), None);
        assert_eq!(interval(&[], &[]), None);
    }
}
