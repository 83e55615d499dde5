//! Confidence intervals by cluster bootstrap.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::metric::quantile;

/// Part of the resamples that an interval holds.
pub const CONFIDENCE: f64 = 0.95;

/// How often the groups are drawn anew.
pub const RESAMPLES: usize = 2000;

/// Fewest groups that get an interval: with fewer, resamples show little of groups that were never drawn,
/// and the interval comes out too narrow.
pub const FEWEST_GROUPS: usize = 5;

/// Fewest groups of a class that give a part of its images an interval. A part near 1 is the same in nearly every
/// resample of a few: of six images all found, all resamples say 1.
pub const FEWEST_OF_CLASS: usize = 10;

const SEED: u64 = 0x6f6e_636f_7370_6563;

/// What resamples say of a statistic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resampled {
    /// Percentile interval ([`CONFIDENCE`]); `None` where they say nothing of what other cases would give.
    pub interval: Option<(f64, f64)>,
    /// Why there is none, or how many resamples were left out; else empty.
    pub note: String,
}

impl Resampled {
    /// No interval, for a reason.
    pub fn none(why: String) -> Self {
        Self { interval: None, note: why }
    }

    /// None, because groups are too few.
    pub fn few(groups: usize, of: &str, least: usize) -> Self {
        let s = if groups == 1 { "" } else { "s" };
        Self::none(format!("{groups} group{s}{of}, fewer than {least}"))
    }

    /// From the values of a statistic in the resamples where it is defined.
    fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::none("undefined in every resample".into());
        }
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (low, high) = (quantile(&values, tail), quantile(&values, 1.0 - tail));
        if values[0] == values[values.len() - 1] {
            return Self::none("the same in every resample".into());
        }
        let note = match RESAMPLES - values.len() {
            0 => String::new(),
            left_out => {
                format!("undefined in {left_out} of {RESAMPLES} resamples, which are left out")
            }
        };
        Self { interval: Some((low, high)), note }
    }
}

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

    /// What the resamples say of a statistic of the columns' sums; those for which it is undefined are left out.
    pub fn interval(&self, statistic: impl FnMut(&[f64]) -> Option<f64>) -> Resampled {
        let resamples = self.sums.chunks(self.columns.max(1));
        Resampled::of(resamples.filter_map(statistic).collect())
    }
}

/// What resamples say of statistics that are given how often each group was drawn. Resamples for which one is undefined
/// are left out of it. The draws are those of [`ResampledSums`].
pub fn weighted_intervals(
    groups: usize,
    statistics: usize,
    statistic: impl Fn(&[u32]) -> Vec<Option<f64>>,
) -> Vec<Resampled> {
    if groups < FEWEST_GROUPS {
        return vec![Resampled::few(groups, "", FEWEST_GROUPS); statistics];
    }
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); statistics];
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
    found.into_iter().map(Resampled::of).collect()
}

/// A number below `groups`.
fn draw(random: &mut ChaCha8Rng, groups: usize) -> usize {
    ((u64::from(random.next_u32()) * groups as u64) >> 32) as usize
}

/// Percentile interval ([`CONFIDENCE`]) of the mean of `values`, drawing whole groups; `groups` names
/// the group of each value. `None` where there are fewer than [`FEWEST_GROUPS`], or all resamples have the same mean.
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
    ResampledSums::new(&table, 2).interval(|sums| Some(sums[0] / sums[1])).interval
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
    fn equal_values_have_no_interval_since_they_do_not_say_how_others_would_differ() {
        assert_eq!(interval(&[0.25; 20], &alone(20)), None);
        let table: Vec<f64> = [1.0, 1.0].repeat(20);
        let resampled = ResampledSums::new(&table, 2).interval(|sums| Some(sums[0] / sums[1]));
        assert_eq!(resampled, Resampled::none("the same in every resample".into()));
    }

    #[test]
    fn resamples_in_which_a_figure_is_undefined_are_left_out_and_counted() {
        // One group of ten has what the figure asks for: a resample lacks it with (9/10)^10 = 0.35.
        let mut table = vec![0.0; 30];
        (table[0], table[1]) = (1.0, 2.0);
        (0..10).for_each(|group| table[3 * group + 2] = group as f64);
        let found = ResampledSums::new(&table, 3).interval(|sums| (sums[1] > 0.0).then(|| sums[2]));
        assert!(found.interval.is_some());
        let left_out: usize = found.note.split(' ').nth(2).unwrap().parse().unwrap();
        assert!((600..800).contains(&left_out), "{}", found.note);
        assert!(found.note.ends_with("of 2000 resamples, which are left out"));
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
        let same = Resampled::none("the same in every resample".into());
        assert_eq!(resampled.interval(|sums| Some(sums[1] / sums[0])), same);
        assert_eq!(resampled.interval(|sums| Some(sums[2])), same);
        let undefined = Resampled::none("undefined in every resample".into());
        assert_eq!(resampled.interval(|_| None), undefined);
    }

    #[test]
    fn few_groups_get_no_interval() {
        assert_eq!(interval(&spread(4), &alone(4)), None);
        assert!(interval(&spread(5), &alone(5)).is_some());
        assert_eq!(interval(&spread(40), &vec!["one slide".to_owned(); 40]), None);
        assert_eq!(interval(&[], &[]), None);
    }
}
