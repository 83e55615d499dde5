//! Confidence intervals by cluster bootstrap.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Part of the resamples that an interval holds.
pub const CONFIDENCE: f64 = 0.95;

/// How often the groups are drawn anew.
pub const RESAMPLES: usize = 2000;

/// Fewest groups that get an interval: with fewer, resampling says little about the groups never seen,
/// and the interval comes out too narrow.
pub const FEWEST_GROUPS: usize = 5;

const SEED: u64 = 0x6f6e_636f_7370_6563;

/// Sums over the groups of each resample, the same on every machine.
///
/// Cases of a group (slide, duplicate cluster) are not independent, so whole groups are drawn, with
/// replacement and as many as there are: the cluster bootstrap (Davison and Hinkley 1997, Bootstrap
/// Methods and their Application, section 3.8). Whatever is to be resampled together lies in one table,
/// so that every figure is taken over the same draws and these need no memory.
#[derive(Clone, Debug)]
pub struct ResampledSums {
    columns: usize,
    /// `[RESAMPLES, columns]`, or nothing with fewer than [`FEWEST_GROUPS`] groups.
    sums: Vec<f64>,
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
            return Self { columns, sums: Vec::new() };
        }
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut sums = vec![0.0; RESAMPLES * columns];
        for sums in sums.chunks_mut(columns) {
            for _ in 0..groups {
                let group = draw(&mut random, groups);
                let row = &table[group * columns..(group + 1) * columns];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        Self { columns, sums }
    }

    /// Percentile interval ([`CONFIDENCE`]) of a statistic of the columns' sums. Resamples for which
    /// it is undefined are left out; `None` where there are no others.
    pub fn interval(&self, statistic: impl FnMut(&[f64]) -> Option<f64>) -> Option<(f64, f64)> {
        let resamples = self.sums.chunks(self.columns.max(1));
        let mut statistics: Vec<f64> = resamples.filter_map(statistic).collect();
        if statistics.is_empty() {
            return None;
        }
        statistics.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        Some((quantile(&statistics, tail), quantile(&statistics, 1.0 - tail)))
    }
}

/// Percentile intervals ([`CONFIDENCE`]) of statistics that are given how often each group was drawn; `None`
/// where one is undefined in every resample. The draws are those of [`ResampledSums`].
pub fn weighted_interval(
    groups: usize,
    statistics: usize,
    statistic: impl Fn(&[u32]) -> Vec<Option<f64>>,
) -> Vec<Option<(f64, f64)>> {
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); statistics];
    if groups >= FEWEST_GROUPS {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        for _ in 0..RESAMPLES {
            let mut times = vec![0; groups];
            for _ in 0..groups {
                times[draw(&mut random, groups)] += 1;
            }
            for (found, value) in found.iter_mut().zip(statistic(&times)) {
                found.extend(value);
            }
        }
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    found
        .into_iter()
        .map(|mut values| {
            values.sort_unstable_by(f64::total_cmp);
            let interval = || (quantile(&values, tail), quantile(&values, 1.0 - tail));
            (!values.is_empty()).then(interval)
        })
        .collect()
}

/// A number below `groups`.
fn draw(random: &mut ChaCha8Rng, groups: usize) -> usize {
    ((u64::from(random.next_u32()) * groups as u64) >> 32) as usize
}

/// Percentile interval ([`CONFIDENCE`]) of the mean of `values`, drawing whole groups; `groups` names
/// the group of each value. `None` where there are fewer than [`FEWEST_GROUPS`].
///
/// # Panics
///
/// If the slices differ in length.
pub fn mean_interval(values: &[f64], groups: &[&str]) -> Option<(f64, f64)> {
    assert_eq!(values.len(), groups.len(), "one group for each value");
    let mut sums = BTreeMap::<&str, [f64; 2]>::new();
    for (value, group) in values.iter().zip(groups) {
        let [sum, n] = sums.entry(group).or_default();
        *sum += value;
        *n += 1.0;
    }
    let table: Vec<f64> = sums.into_values().flatten().collect();
    ResampledSums::new(&table, 2).interval(|sums| Some(sums[0] / sums[1]))
}

/// Quantile of sorted values, linear between ranks (type 7 of Hyndman and Fan 1996; NumPy's and
/// PyTorch's default).
///
/// # Panics
///
/// If there are no values.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("case {i}")).collect()
    }

    fn interval(values: &[f64], groups: &[String]) -> Option<(f64, f64)> {
        mean_interval(values, &groups.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// 0, 1/n, 2/n, .. in a scattered order.
    fn spread(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i * 7919 % n) as f64 / n as f64).collect()
    }

    #[test]
    fn quantiles_lie_linearly_between_ranks() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&sorted, 0.0), 1.0);
        assert_eq!(quantile(&sorted, 0.5), 3.0);
        assert_eq!(quantile(&sorted, 1.0), 8.0);
        assert!((quantile(&sorted, 0.9) - 6.8).abs() < 1e-12);
        assert_eq!(quantile(&[3.0], 0.95), 3.0);
    }

    #[test]
    fn the_interval_of_equal_values_is_that_value() {
        assert_eq!(interval(&[0.25; 20], &alone(20)), Some((0.25, 0.25)));
    }

    #[test]
    fn with_many_cases_the_interval_is_that_of_the_normal_distribution() {
        let values = spread(1000);
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1000.0;
        let margin = 1.96 * (variance / 1000.0).sqrt();
        let (low, high) = interval(&values, &alone(1000)).unwrap();
        assert!((low - (mean - margin)).abs() < 0.1 * margin, "{low}");
        assert!((high - (mean + margin)).abs() < 0.1 * margin, "{high}");
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
    fn the_draws_are_the_same_on_every_machine() {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let draws: Vec<usize> = (0..10).map(|_| draw(&mut random, 10)).collect();
        assert_eq!(draws, [3, 3, 6, 2, 4, 9, 2, 9, 3, 9]);
    }

    #[test]
    fn columns_are_resampled_together() {
        let table: Vec<f64> =
            (0..12).flat_map(|i| [f64::from(i), 2.0 * f64::from(i), 1.0]).collect();
        let resampled = ResampledSums::new(&table, 3);
        assert_eq!(resampled.interval(|sums| Some(sums[1] / sums[0])), Some((2.0, 2.0)));
        assert_eq!(resampled.interval(|sums| Some(sums[2])), Some((12.0, 12.0)));
        assert_eq!(resampled.interval(|_| None), None);
    }

    #[test]
    fn few_groups_get_no_interval() {
        assert_eq!(interval(&spread(4), &alone(4)), None);
        assert!(interval(&spread(5), &alone(5)).is_some());
        assert_eq!(interval(&spread(40), &vec!["one slide".to_owned(); 40]), None);
        assert_eq!(interval(&[], &[]), None);
    }
}
