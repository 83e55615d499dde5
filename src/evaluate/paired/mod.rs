//! Two networks on the same cases: how a figure differs, with its interval and a test.
//!
//! Means over cases and whatever is a function of counts are tested by permutation, areas under ROC curves by DeLong's
//! test. Average precision has no test here.

mod delong;
mod permutation;
mod seeds;

use std::collections::BTreeMap;

pub use permutation::{FLIPS, MOST_IN_ALL_WAYS, flips, holm};
use seeds::{NORMAL, over_seeds};
pub use seeds::{OverSeeds, mean_over_seeds};

use self::delong::{AucDifference, auc_difference};
use self::permutation::{p_of_difference, p_of_swaps};
use super::bootstrap::{FEWEST_GROUPS, ResampledSums, mean_interval};
use super::images::{self, ImageScore};
use super::score::CaseScore;
use super::summary::{self, Reduction, Split, Value};
use crate::metric::{EmptyRule, ImageConfusion, MetricKind, OfClass, OfImages};

/// A figure of the first of two networks less that of the second, on the same cases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The difference; of networks of several seeds, of their means.
    pub value: f64,
    /// Cases (pairs of case and class for `.lesion` of several classes) that it is taken over.
    pub cases: usize,
    /// Those left out, since the figure is undefined of one of the networks.
    pub left_out: usize,
    /// Groups that the cases come from.
    pub groups: usize,
    /// 95 % interval over cases; `None` with too few groups.
    pub interval: Option<(f64, f64)>,
    /// 95 % interval over cases and seeds; `None` where one of the networks has one seed.
    pub over_seeds: Option<OverSeeds>,
    /// Two-sided p that the networks are equivalent, on other cases and with these weights.
    pub p: f64,
    /// The mean difference of a case by the standard deviation of these differences (Cohen's d of paired values); `None`
    /// where it is no mean.
    pub effect: Option<f64>,
    /// So many groups would show a difference of this size with a chance of 0.8; `None` where there is none.
    pub groups_needed: Option<u64>,
}

/// Sum of the quantiles of the normal distribution at 0.975 and 0.8.
const POWER: f64 = NORMAL + 0.841_621_233_572_914_3;

impl Difference {
    fn needing(self, error: Option<f64>) -> Self {
        let groups_needed = error
            .filter(|error| *error > 0.0 && self.value != 0.0)
            .map(|error| (self.groups as f64 * (POWER * error / self.value).powi(2)).ceil() as u64);
        Self { groups_needed, ..self }
    }
}

/// How a figure of pixels differs; `None` where there is no such figure, or nothing to take it over.
///
/// A case without a lesion in which none is found scores 1, whatever the rules of the runs: a rule that leaves it out would
/// leave it out of the run that gets it right alone.
///
/// # Shapes
///
/// - networks: of two networks, `[seeds][scores]`, all of the same cases in the same order
///
/// # Panics
///
/// If the cases differ.
pub fn of_pixels(
    networks: [&[Vec<CaseScore>]; 2],
    figure: &str,
    tests: usize,
) -> Option<Difference> {
    let split = Split::new(networks[0].first()?);
    let (metric, reduction) = summary::named(figure, &split)?;
    if reduction == Reduction::Pooled {
        let columns = 4 * split.classes.len();
        let statistic = |sums: &[f64]| summary::pooled_value(metric, sums, EmptyRule::One);
        let rows = |scores: &[CaseScore]| summary::count_rows(&Split::new(scores));
        let tables = networks.map(|seeds| mean_rows(seeds, rows));
        let more = |table: &[f64]| summary::one_more(&total(table, columns), split.groups);
        return Sums {
            more: vec![[more(&tables[0]), more(&tables[1])]],
            of_seeds: networks.map(|seeds| of_seeds(seeds, rows, columns, &statistic)),
            tables,
            columns,
            cases: split.cases.len(),
            groups: split.groups,
            statistic: &statistic,
        }
        .difference(tests);
    }
    let values = |seeds: &[Vec<CaseScore>]| {
        let of_seed =
            |scores: &Vec<CaseScore>| Split::new(scores).values(metric, &reduction, EmptyRule::One);
        seeds.iter().map(of_seed).collect::<Vec<_>>()
    };
    Means::new(networks.map(values))?.difference(tests)
}

/// How a figure of classified images differs; `None` where there is no such figure, it has no test, or nothing to take it
/// over.
///
/// # Shapes
///
/// - networks: of two networks, `[seeds][images]`, all the same images in the same order
pub fn of_images(
    networks: [&[Vec<ImageScore>]; 2],
    classes: &[String],
    figure: &str,
    tests: usize,
) -> Option<Difference> {
    let scores = networks[0].first().filter(|scores| !scores.is_empty())?;
    let (metric, reduction) = images::named(figure, classes)?;
    let (group_of, groups) = images::groups(scores);
    let n = classes.len();
    if metric == MetricKind::Auc {
        let of = match reduction {
            images::Reduction::Class(class) => vec![class],
            _ => (0..n).collect(),
        };
        let found = auc_difference(networks, &group_of, &of)?;
        return Some(of_auc(found, scores.len(), groups));
    }
    let statistic = counted(metric, reduction, n)?;
    let place = |score: &ImageScore| score.truth * n + score.predicted;
    let rows = |scores: &[ImageScore]| {
        let mut rows = vec![0.0; groups * n * n];
        for (score, group) in scores.iter().zip(&group_of) {
            rows[group * n * n + place(score)] += 1.0;
        }
        rows
    };
    let more = images::one_more(scores, &group_of, n).into_iter().map(|more| {
        let row = |end: usize| {
            let mut row = vec![0.0; n * n];
            row[place(&more.ends[end])] = more.images;
            row
        };
        [[row(0), row(1)], [row(0), row(1)]]
    });
    Sums {
        more: more.collect(),
        tables: networks.map(|seeds| mean_rows(seeds, rows)),
        of_seeds: networks.map(|seeds| of_seeds(seeds, rows, n * n, &*statistic)),
        columns: n * n,
        cases: scores.len(),
        groups,
        statistic: &*statistic,
    }
    .difference(tests)
}

/// A function of sums over cases.
type Statistic<'a> = dyn Fn(&[f64]) -> Option<f64> + 'a;

/// A figure of images as a function of their confusion, row by row; `None` where it is one of their ranking.
fn counted(
    metric: MetricKind,
    reduction: images::Reduction,
    classes: usize,
) -> Option<Box<Statistic<'static>>> {
    let of = metric.row().of_images?;
    if matches!(of, OfImages::Classes { value: OfClass::Ranking(_), .. }) {
        return None;
    }
    Some(Box::new(move |sums| {
        let mut confusion = ImageConfusion::new(classes);
        for (index, &images) in sums.iter().enumerate() {
            confusion.add(index / classes, index % classes, images);
        }
        images::of_confusion(of, reduction, &confusion)
    }))
}

/// The rows of groups, of networks of several seeds their mean.
fn mean_rows<T>(seeds: &[Vec<T>], rows: impl Fn(&[T]) -> Vec<f64>) -> Vec<f64> {
    let mut mean = Vec::new();
    for scores in seeds {
        let rows = rows(scores);
        mean.resize(rows.len(), 0.0);
        for (sum, value) in mean.iter_mut().zip(rows) {
            *sum += value / seeds.len() as f64;
        }
    }
    mean
}

/// The figure of each seed.
fn of_seeds<T>(
    seeds: &[Vec<T>],
    rows: impl Fn(&[T]) -> Vec<f64>,
    columns: usize,
    statistic: &Statistic,
) -> Vec<f64> {
    seeds.iter().filter_map(|scores| statistic(&total(&rows(scores), columns))).collect()
}

/// The sums over the rows of a table.
fn total(table: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for row in table.chunks(columns) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums
}

/// A mean over cases of two networks.
struct Means {
    /// First less second, of each case that both have a value of.
    differences: Vec<f64>,
    /// Their groups.
    groups: Vec<usize>,
    /// The largest that a difference can be.
    range: f64,
    left_out: usize,
    of_seeds: [Vec<f64>; 2],
}

impl Means {
    /// `None` where no case has values.
    fn new(networks: [Vec<Vec<Value>>; 2]) -> Option<Self> {
        let cases = networks[0].first()?.len();
        let [first, second] = networks.each_ref().map(Vec::len);
        let mut sums = [vec![0.0; first], vec![0.0; second]];
        let (mut differences, mut groups, mut range) = (Vec::new(), Vec::new(), 0.0);
        for case in 0..cases {
            let values: Option<Vec<Vec<f64>>> = networks
                .iter()
                .map(|seeds| seeds.iter().map(|values| Some(values[case].value?.0)).collect())
                .collect();
            let Some(values) = values else { continue };
            let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
            differences.push(mean(&values[0]) - mean(&values[1]));
            for (sums, values) in sums.iter_mut().zip(&values) {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            let of_case = &networks[0][0][case];
            groups.push(of_case.group);
            range += of_case.value.map_or(0.0, |(_, (low, high))| high - low);
        }
        let n = differences.len();
        (n > 0).then(|| Self {
            left_out: cases - n,
            range: range / n as f64,
            of_seeds: sums.map(|sums| sums.into_iter().map(|sum| sum / n as f64).collect()),
            differences,
            groups,
        })
    }

    fn difference(self, tests: usize) -> Option<Difference> {
        let n = self.differences.len() as f64;
        let value = self.differences.iter().sum::<f64>() / n;
        let mut of_groups = BTreeMap::<usize, [f64; 2]>::new();
        for (group, difference) in self.groups.iter().zip(&self.differences) {
            let [sum, cases] = of_groups.entry(*group).or_default();
            *sum += difference;
            *cases += 1.0;
        }
        let groups = of_groups.len() as f64;
        let squares = of_groups.values().map(|[sum, cases]| (sum - value * cases).powi(2));
        let error =
            (groups > 1.0).then(|| (groups / (groups - 1.0) * squares.sum::<f64>()).sqrt() / n);
        let interval = mean_interval(&self.differences, &self.groups, (-self.range, self.range));
        let spread = self.differences.iter().map(|d| (d - value).powi(2)).sum::<f64>();
        let spread = (spread / (n - 1.0)).sqrt();
        let sums: Vec<f64> = of_groups.values().map(|[sum, _]| *sum).collect();
        let [first, second] = &self.of_seeds;
        let found = Difference {
            value,
            cases: self.differences.len(),
            left_out: self.left_out,
            groups: of_groups.len(),
            interval,
            over_seeds: interval
                .zip(error)
                .and_then(|(interval, error)| over_seeds(value, interval, &[first, second], error)),
            p: p_of_difference(&sums, tests),
            effect: (spread > 0.0).then(|| value / spread),
            groups_needed: None,
        };
        Some(found.needing(error))
    }
}

/// A figure that is a function of sums over cases, of two networks.
struct Sums<'a> {
    /// `[groups, columns]` of each.
    tables: [Vec<f64>; 2],
    columns: usize,
    cases: usize,
    groups: usize,
    statistic: &'a Statistic<'a>,
    /// Rows of one group more, of each network that with the lowest figure and that with the highest: by class.
    more: Vec<[[Vec<f64>; 2]; 2]>,
    of_seeds: [Vec<f64>; 2],
}

impl Sums<'_> {
    fn difference(self, tests: usize) -> Option<Difference> {
        let Self { tables: [first, second], columns, statistic, .. } = &self;
        let columns = *columns;
        let of = |sums: &[f64]| Some(statistic(&sums[..columns])? - statistic(&sums[columns..])?);
        let joint: Vec<f64> = first
            .chunks(columns)
            .zip(second.chunks(columns))
            .flat_map(|(a, b)| a.iter().chain(b).copied())
            .collect();
        let sums = total(&joint, 2 * columns);
        let value = of(&sums)?;
        let resampled = ResampledSums::new(&joint, 2 * columns);
        let ends = self.more.iter().filter_map(|[[low, high], [other_low, other_high]]| {
            let lowest = [low.as_slice(), other_high].concat();
            let highest = [high.as_slice(), other_low].concat();
            resampled.interval(0, [&lowest, &highest], of).interval
        });
        let interval = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let interval = interval.filter(|_| self.groups >= FEWEST_GROUPS);
        let error = self.error(&joint, &sums, of);
        let [of_first, of_second] = &self.of_seeds;
        let found = Difference {
            value,
            cases: self.cases,
            left_out: 0,
            groups: self.groups,
            interval,
            over_seeds: interval.zip(error).and_then(|(interval, error)| {
                over_seeds(value, interval, &[of_first, of_second], error)
            }),
            p: p_of_swaps([first, second], columns, statistic, tests),
            effect: None,
            groups_needed: None,
        };
        Some(found.needing(error))
    }

    /// The standard error over groups, by leaving each out (Efron and Stein 1981).
    fn error(
        &self,
        joint: &[f64],
        sums: &[f64],
        of: impl Fn(&[f64]) -> Option<f64>,
    ) -> Option<f64> {
        let without = |row: &[f64]| {
            of(&sums.iter().zip(row).map(|(sum, value)| sum - value).collect::<Vec<_>>())
        };
        let values: Vec<f64> = joint.chunks(2 * self.columns).filter_map(without).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (n > 1.0).then(|| ((n - 1.0) / n * squares).sqrt())
    }
}

/// DeLong's test, by the normal distribution.
fn of_auc(found: AucDifference, cases: usize, groups: usize) -> Difference {
    let AucDifference { value, error, of_seeds: [first, second] } = found;
    let interval = error.map(|error| (value - NORMAL * error, value + NORMAL * error));
    let p = match error {
        Some(error) if error > 0.0 => libm::erfc((value / error).abs() / std::f64::consts::SQRT_2),
        _ => 1.0,
    };
    let over_seeds = interval
        .zip(error)
        .and_then(|(interval, error)| over_seeds(value, interval, &[&first, &second], error));
    let found =
        Difference { value, cases, groups, interval, over_seeds, p, ..Difference::default() };
    found.needing(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Counts;

    /// Cases of 1000 pixels with a lesion of 100, of which so many are found and nothing else.
    fn cases(found: &[u64]) -> Vec<CaseScore> {
        let case = |(index, &tp): (usize, &u64)| CaseScore {
            case: format!("case {index:03}"),
            group: format!("group {index:03}"),
            class: "lesion".into(),
            class_index: 1,
            counts: Counts { tp, fp: 0, fn_: 100 - tp, tn: 900 },
            ..CaseScore::default()
        };
        found.iter().enumerate().map(case).collect()
    }

    fn recall(first: &[Vec<CaseScore>], second: &[Vec<CaseScore>]) -> [Difference; 2] {
        ["recall.mean", "recall.pooled"]
            .map(|figure| of_pixels([first, second], figure, 1).unwrap())
    }

    #[test]
    fn a_figure_of_sums_has_the_p_of_the_mean_that_it_equals() {
        // As all lesions are of one size, pooled recall is the mean.
        let first = [cases(&[90, 80, 70, 95, 60, 88, 91, 77, 64, 99])];
        let second = [cases(&[85, 82, 60, 90, 55, 80, 91, 70, 66, 90])];
        let [mean, pooled] = recall(&first, &second);
        assert!((mean.value - 0.045).abs() < 1e-12 && (pooled.value - 0.045).abs() < 1e-9);
        assert_eq!((mean.p, mean.cases, mean.groups), (pooled.p, pooled.cases, pooled.groups));
        let (of_mean, of_pooled) = (mean.interval.unwrap(), pooled.interval.unwrap());
        assert!(
            of_mean.0 < 0.0 && (of_mean.0 - of_pooled.0).abs() < 0.02,
            "{of_mean:?} {of_pooled:?}"
        );
        assert!((of_mean.1 - of_pooled.1).abs() < 0.02, "{of_mean:?} {of_pooled:?}");
        // The errors by squares of deviations and by leaving groups out are equal for a mean.
        assert_eq!(mean.groups_needed, pooled.groups_needed);
    }

    #[test]
    fn seeds_count_by_their_mean_and_their_spread() {
        let first = [cases(&[90; 12]), cases(&[80; 12])];
        let second = [cases(&[70; 12]), cases(&[70; 12])];
        let [mean, pooled] = recall(&first, &second);
        for found in [&mean, &pooled] {
            assert!((found.value - 0.15).abs() < 1e-9, "{found:?}");
            // Cases do not differ: all variance is that of the seeds, of which two say little.
            let over = found.over_seeds.unwrap();
            assert!((over.share - 1.0).abs() < 1e-6 && !over.is_beyond, "{over:?}");
        }
        assert!(mean.p < 0.001);
    }

    #[test]
    fn a_case_of_which_one_has_no_value_is_left_out_of_both() {
        let with = |distances: &[f64]| {
            let mut cases = cases(&[50; 6]);
            for (case, &distance) in cases.iter_mut().zip(distances) {
                if distance >= 0.0 {
                    case.measured.insert(MetricKind::Hd95, distance);
                }
            }
            [cases]
        };
        let first = with(&[1.0, 2.0, 3.0, 4.0, 5.0, -1.0]);
        let second = with(&[2.0, 3.0, 4.0, 5.0, 7.0, 9.0]);
        let found = of_pixels([&first, &second], "hd95.mean", 1).unwrap();
        assert!((found.value + 6.0 / 5.0).abs() < 1e-12);
        assert_eq!((found.cases, found.left_out), (5, 1));
        assert_eq!(of_pixels([&first, &second], "hd95.pooled", 1), None);
    }

    #[test]
    fn a_figure_of_images_differs_by_their_confusion() {
        let classes = ["benign".to_string(), "malignant".to_string()];
        let images = |wrong: usize| {
            let image = |index: usize| {
                let truth = usize::from(index >= 20);
                // Malignant images are called benign first.
                let is_wrong = index >= 20 && index < 20 + wrong;
                ImageScore {
                    case: format!("{index:02}"),
                    group: format!("{index:02}"),
                    truth,
                    predicted: if is_wrong { 0 } else { truth },
                    probabilities: vec![0.5, 0.5],
                }
            };
            [(0..40).map(image).collect::<Vec<_>>()]
        };
        let (first, second) = (images(2), images(10));
        let of = |figure: &str| of_images([&first, &second], &classes, figure, 1).unwrap();
        assert!((of("accuracy").value - 8.0 / 40.0).abs() < 1e-12);
        assert!((of("recall.class.malignant").value - 8.0 / 20.0).abs() < 1e-12);
        assert!((of("balanced-accuracy").value - 4.0 / 20.0).abs() < 1e-12);
        // Eight images of one sign: 2 of 2^8 ways.
        assert_eq!(of("balanced-accuracy").p, 2.0 / 256.0);
        assert_eq!(of("recall.class.benign").p, 1.0);
        assert_eq!(of("auc.macro").value, 0.0);
        assert_eq!(of_images([&first, &second], &classes, "average-precision.macro", 1), None);
    }
}
