//! From the scores of cases to figures: one number about a split, with its name and interval.
//!
//! | figure | one class | several classes |
//! |---|---|---|
//! | `<metric>.mean` | mean over cases | mean over cases of the mean over the case's classes |
//! | `<metric>.lesion` | mean over cases whose truth has the class | mean over pairs of case and class whose truth has the class |
//! | `<metric>.pooled` | from counts summed over cases | mean over classes of the same |
//! | `<metric>.class.<class>` | none | mean over cases whose truth has the class |
//! | `<metric>.label.<label>` | `.mean` of the cases with this label | likewise |
//!
//! With several classes, a class that is in neither truth nor prediction takes no part in a mean over
//! classes, whatever the rule for empty masks: a perfect score for each class that a tile happens not
//! to show would drown the others (nnU-Net and MMSegmentation leave it out too). And accuracy is pixel
//! accuracy, the share of labelled pixels predicted correctly; only `accuracy.class` and `accuracy.lesion` are
//! of a class against the rest. Distances and AUC are not pooled.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bootstrap::{FEWEST_GROUPS, Resampled, ResampledSums};
use super::score::CaseScore;
use crate::metric::{Counts, EmptyRule, MetricKind, across_classes, mean_of_classes, overlap};

/// One number about a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name without the split, such as `dice.mean`.
    pub name: String,
    /// Its value; NaN where it is undefined for every case.
    pub value: f64,
    /// Cases it is taken over (pairs of case and class for `.lesion` of several classes).
    pub n: usize,
    /// Cases left out because the metric is undefined for them; with several classes, pairs of case and class, and of
    /// pooled counts classes.
    pub left_out: usize,
    /// Of `n`, how many are a distance that stands for a missed lesion or a false alarm; with several classes, pairs of case
    /// and class.
    pub penalised: usize,
    /// Groups that its cases come from.
    pub groups: usize,
    /// 95 % interval over groups ([`super::bootstrap`]); `None` with fewer than [`FEWEST_GROUPS`].
    pub interval: Option<(f64, f64)>,
    /// Why there is no interval; empty where that need not be said.
    pub interval_note: String,
}

/// How the values of many cases become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reduction<'a> {
    Mean,
    Lesion,
    Pooled,
    Class(&'a str),
    Label(&'a str),
}

impl Reduction<'_> {
    fn name(&self, metric: MetricKind) -> String {
        let metric = metric.name();
        match self {
            Self::Mean => format!("{metric}.mean"),
            Self::Lesion => format!("{metric}.lesion"),
            Self::Pooled => format!("{metric}.pooled"),
            Self::Class(class) => format!("{metric}.class.{class}"),
            Self::Label(label) => format!("{metric}.label.{label}"),
        }
    }
}

/// The reductions of a metric, in the order of their figures.
fn reductions<'a>(
    metric: MetricKind,
    classes: &[&'a str],
    labels: &[&'a str],
) -> Vec<Reduction<'a>> {
    let mut reductions = vec![Reduction::Mean];
    if !metric.is_of_normal_images() {
        reductions.push(Reduction::Lesion);
    }
    if metric.is_of_counts() {
        reductions.push(Reduction::Pooled);
    }
    if classes.len() > 1 {
        reductions.extend(classes.iter().map(|class| Reduction::Class(class)));
    }
    let labels = labels.iter().filter(|label| !label.is_empty());
    reductions.extend(labels.map(|label| Reduction::Label(label)));
    reductions
}

/// Names of all figures that [`figures`] can give, without the split: what gates may name.
///
/// `classes` are the classes measured (one for a binary task), `labels` those of the images.
pub fn figure_names(metrics: &[MetricKind], classes: &[String], labels: &[String]) -> Vec<String> {
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let of_metric = |&metric: &MetricKind| {
        let reductions = reductions(metric, &classes, &labels);
        reductions.into_iter().map(move |reduction| reduction.name(metric))
    };
    metrics.iter().flat_map(of_metric).collect()
}

/// The metric and reduction of a figure's name; `None` where the cases have no such figure.
pub(super) fn named<'a>(name: &str, split: &Split<'a>) -> Option<(MetricKind, Reduction<'a>)> {
    let of_metric = |metric: MetricKind| {
        let reductions = reductions(metric, &split.classes, &split.labels);
        reductions.into_iter().map(move |reduction| (metric, reduction))
    };
    let mut all = MetricKind::ALL.into_iter().flat_map(of_metric);
    all.find(|(metric, reduction)| {
        metric.row().of_pixels.is_some() && reduction.name(*metric) == name
    })
}

/// All figures of the cases of one split, at one resolution: for each metric its reductions.
///
/// A figure that is undefined everywhere is NaN with `n` 0. The same scores give the same figures and
/// intervals on every machine; all intervals are over the same resamples.
///
/// # Panics
///
/// If a case has not exactly one score for each class that any case has.
pub fn figures(scores: &[CaseScore], metrics: &[MetricKind], empty: EmptyRule) -> Vec<Figure> {
    let split = Split::new(scores);
    let pooled = Pooled::new(&split);
    let of_metric = |&metric: &MetricKind| {
        let reductions = reductions(metric, &split.classes, &split.labels);
        reductions.into_iter().map(move |reduction| (metric, reduction))
    };
    let wanted: Vec<(MetricKind, Reduction)> = metrics.iter().flat_map(of_metric).collect();
    let values: Vec<Vec<Value>> =
        wanted.iter().map(|(metric, reduction)| split.values(*metric, reduction, empty)).collect();

    // Two columns for each figure: the sum and the number of each group's values.
    let columns = 2 * wanted.len();
    let mut table = vec![0.0; split.groups * columns];
    for (figure, values) in values.iter().enumerate() {
        for &Value { group, value, .. } in values {
            if let Some((value, _)) = value {
                table[group * columns + 2 * figure] += value;
                table[group * columns + 2 * figure + 1] += 1.0;
            }
        }
    }
    let resampled = ResampledSums::new(&table, columns);

    let figure = |(index, (metric, reduction)): (usize, &(MetricKind, Reduction))| {
        let name = reduction.name(*metric);
        if *reduction == Reduction::Pooled {
            return pooled.figure(name, *metric, empty);
        }
        mean_figure(name, &values[index], |size, bounds| resampled.mean(2 * index, size, bounds))
    };
    wanted.iter().enumerate().map(figure).collect()
}

/// What a mean is over.
pub(super) struct Value {
    pub group: usize,
    /// With the lowest and the highest that it could be.
    pub value: Option<(f64, (f64, f64))>,
    /// How many undefined scores it lacks.
    left_out: usize,
    /// How many of its scores stand for a missed lesion or a false alarm.
    penalised: usize,
}

/// The mean of the defined values; the interval is of how many a group has, and of their bounds.
fn mean_figure(
    name: String,
    values: &[Value],
    interval: impl FnOnce(f64, (f64, f64)) -> Resampled,
) -> Figure {
    let defined: Vec<(f64, (f64, f64))> = values.iter().filter_map(|value| value.value).collect();
    let groups: BTreeSet<usize> =
        values.iter().filter_map(|value| value.value.map(|_| value.group)).collect();
    let n = defined.len() as f64;
    let mean = |of: fn(&(f64, (f64, f64))) -> f64| defined.iter().map(of).sum::<f64>() / n;
    let resampled = resampled(groups.len(), || {
        interval(n / groups.len() as f64, (mean(|of| of.1.0), mean(|of| of.1.1)))
    });
    Figure {
        name,
        value: mean(|of| of.0),
        n: defined.len(),
        left_out: values.iter().map(|value| value.left_out).sum(),
        penalised: values.iter().map(|value| value.penalised).sum(),
        groups: groups.len(),
        interval: resampled.interval,
        interval_note: resampled.note,
    }
}

/// What resamples of so many groups say; nothing of none, and of few only that they are.
fn resampled(groups: usize, of: impl FnOnce() -> Resampled) -> Resampled {
    match groups {
        0 => Resampled::default(),
        groups if groups < FEWEST_GROUPS => Resampled::few(groups, ""),
        _ => of(),
    }
}

/// The scores of one case, by class.
pub(super) struct Case<'a> {
    group: usize,
    label: &'a str,
    scores: Vec<&'a CaseScore>,
    counts: Vec<Counts>,
}

impl Case<'_> {
    /// The value with what it leaves out: itself, or classes that occur in truth or prediction.
    fn value(&self, metric: MetricKind, empty: EmptyRule) -> Value {
        let values: Vec<_> = self.scores.iter().map(|score| score.value(metric, empty)).collect();
        let value = mean_of_classes(metric, &self.counts, &values);
        let undefined = undefined(&self.counts, &values);
        let left_out = if value.is_none() { undefined.max(1) } else { undefined };
        let pixels = self.counts.first().map_or(0, Counts::total);
        let value = value.map(|value| (value, bounds(metric, value, pixels)));
        let scored = self.counts.iter().zip(&values);
        let penalised = scored.filter(|(counts, value)| penalised(metric, counts, **value)).count();
        Value { group: self.group, value, left_out, penalised }
    }
}

/// The lowest and highest that a value could have been, of an image with so many labelled pixels, which is taken to be a square
/// unless the value says otherwise.
fn bounds(metric: MetricKind, value: f64, pixels: u64) -> (f64, f64) {
    let (lowest, highest) = metric.row().bounds(pixels);
    (lowest, highest.max(value))
}

/// Whether a value is a distance where one mask alone is empty.
fn penalised(metric: MetricKind, counts: &Counts, value: Option<f64>) -> bool {
    let one_is_empty = (counts.truth() == 0) != (counts.predicted() == 0);
    metric.is_distance() && one_is_empty && value.is_some()
}

/// How many of the classes that occur in truth or prediction have no value.
fn undefined(counts: &[Counts], values: &[Option<f64>]) -> usize {
    let classes = counts.iter().zip(values);
    classes.filter(|(counts, value)| !counts.absent() && value.is_none()).count()
}

/// The cases of a split and what they have in common.
pub(super) struct Split<'a> {
    /// In the order in which they are first named.
    pub cases: Vec<Case<'a>>,
    /// In the order of their numbers.
    pub classes: Vec<&'a str>,
    /// In alphabetical order.
    labels: Vec<&'a str>,
    /// How many groups there are; they are numbered in alphabetical order.
    pub groups: usize,
}

impl<'a> Split<'a> {
    pub(super) fn new(scores: &'a [CaseScore]) -> Self {
        let labels: BTreeSet<&str> = scores.iter().map(|score| score.label.as_str()).collect();
        let classes: BTreeSet<(usize, &str)> =
            scores.iter().map(|score| (score.class_index, score.class.as_str())).collect();
        let groups: BTreeSet<&str> = scores.iter().map(|score| score.group.as_str()).collect();
        let groups: BTreeMap<&str, usize> = groups.into_iter().zip(0..).collect();

        let mut index = BTreeMap::<&str, usize>::new();
        let mut cases = Vec::<Case>::new();
        for score in scores {
            let next = cases.len();
            let at = *index.entry(&score.case).or_insert(next);
            if at == next {
                let group = groups[score.group.as_str()];
                let label = score.label.as_str();
                cases.push(Case { group, label, scores: Vec::new(), counts: Vec::new() });
            }
            cases[at].scores.push(score);
        }
        for case in &mut cases {
            case.scores.sort_by_key(|score| score.class_index);
            case.counts = case.scores.iter().map(|score| score.counts).collect();
            let of_case = case.scores.iter().map(|score| (score.class_index, score.class.as_str()));
            assert!(of_case.eq(classes.iter().copied()), "a case has one score for each class");
        }
        Self {
            cases,
            classes: classes.into_iter().map(|(_, class)| class).collect(),
            labels: labels.into_iter().collect(),
            groups: groups.len(),
        }
    }

    /// The cases (or pairs of case and class) that a mean is over; what is pooled is no mean.
    pub(super) fn values(
        &self,
        metric: MetricKind,
        reduction: &Reduction,
        empty: EmptyRule,
    ) -> Vec<Value> {
        let of_cases = |keep: &dyn Fn(&Case) -> bool| {
            let kept = self.cases.iter().filter(|case| keep(case));
            kept.map(|case| case.value(metric, empty)).collect()
        };
        let of_pairs = |keep: &dyn Fn(&CaseScore) -> bool| {
            let scores = self.cases.iter().flat_map(|case| {
                let group = case.group;
                case.scores.iter().map(move |&score| (group, score))
            });
            let kept = scores.filter(|(_, score)| !score.truth_empty() && keep(score));
            let value = |(group, score): (usize, &CaseScore)| {
                let value = score.value(metric, empty);
                let pixels = score.counts.total();
                Value {
                    group,
                    left_out: usize::from(value.is_none()),
                    penalised: usize::from(penalised(metric, &score.counts, value)),
                    value: value.map(|value| (value, bounds(metric, value, pixels))),
                }
            };
            kept.map(value).collect()
        };
        match *reduction {
            Reduction::Mean => of_cases(&|_| true),
            Reduction::Pooled => Vec::new(),
            Reduction::Label(label) => of_cases(&|case| case.label == label),
            Reduction::Lesion => of_pairs(&|_| true),
            Reduction::Class(class) => of_pairs(&|score| score.class == class),
        }
    }
}

/// Counts summed over the cases of a split.
struct Pooled {
    /// Cases with a labelled pixel.
    cases: usize,
    /// Groups that these come from.
    groups: usize,
    /// By class.
    counts: Vec<Counts>,
    /// The four counts of each class.
    resampled: ResampledSums,
}

/// The counts of each group, four for each class; cases without a labelled pixel have none.
///
/// # Shapes
///
/// - output: `[groups, 4 classes]`
pub(super) fn count_rows(split: &Split) -> Vec<f64> {
    let columns = 4 * split.classes.len();
    let mut table = vec![0.0; split.groups * columns];
    for case in &split.cases {
        let row = &mut table[case.group * columns..(case.group + 1) * columns];
        for (row, &Counts { tp, fp, fn_, tn }) in row.chunks_mut(4).zip(&case.counts) {
            for (sum, count) in row.iter_mut().zip([tp, fp, fn_, tn]) {
                *sum += count as f64;
            }
        }
    }
    table
}

/// A pooled figure of sums of counts, four for each class; they may be weighted.
pub(super) fn pooled_value(metric: MetricKind, sums: &[f64], empty: EmptyRule) -> Option<f64> {
    let scale = WHOLE / sums.iter().take(4).sum::<f64>();
    let counts: Vec<Counts> = sums.chunks(4).map(|sums| scaled(sums, scale)).collect();
    across_classes(metric, &counts, empty)
}

/// Sums of counts of one group more, of middle size and with as much in truth and prediction as is usual: nothing is right,
/// or all.
pub(super) fn one_more(sums: &[f64], groups: usize) -> [Vec<f64>; 2] {
    let of_class = |sums: &[f64]| {
        let [tp, fp, fn_, tn] = [0, 1, 2, 3].map(|index| sums[index] / groups as f64);
        let (truth, others) = (tp + fn_, fp + tn);
        let wrong = (tp + fp).min(others);
        ([0.0, wrong, truth, others - wrong], [truth, 0.0, 0.0, others])
    };
    let (lowest, highest): (Vec<[f64; 4]>, Vec<[f64; 4]>) = sums.chunks(4).map(of_class).unzip();
    [lowest.concat(), highest.concat()]
}

impl Pooled {
    fn new(split: &Split) -> Self {
        let mut sums = vec![Counts::default(); split.classes.len()];
        let labelled = |case: &&Case| case.counts.iter().any(|counts| counts.total() > 0);
        let cases: Vec<&Case> = split.cases.iter().filter(labelled).collect();
        for case in &cases {
            sums.iter_mut().zip(&case.counts).for_each(|(sum, &counts)| *sum += counts);
        }
        let groups: BTreeSet<usize> = cases.iter().map(|case| case.group).collect();
        let resampled = ResampledSums::new(&count_rows(split), 4 * split.classes.len());
        Self { cases: cases.len(), groups: groups.len(), counts: sums, resampled }
    }

    fn figure(&self, name: String, metric: MetricKind, empty: EmptyRule) -> Figure {
        let interval = || {
            let of_class =
                |&Counts { tp, fp, fn_, tn }: &Counts| [tp, fp, fn_, tn].map(|n| n as f64);
            let sums: Vec<f64> = self.counts.iter().flat_map(of_class).collect();
            let [lowest, highest] = one_more(&sums, self.groups);
            let value = |sums: &[f64]| pooled_value(metric, sums, empty);
            self.resampled.interval(0, [&lowest, &highest], value)
        };
        let values: Vec<_> =
            self.counts.iter().map(|counts| overlap(metric, counts, empty)).collect();
        let value = mean_of_classes(metric, &self.counts, &values);
        let groups = value.map_or(0, |_| self.groups);
        let resampled = resampled(groups, interval);
        Figure {
            name,
            value: value.unwrap_or(f64::NAN),
            n: value.map_or(0, |_| self.cases),
            left_out: value.map_or(self.cases, |_| undefined(&self.counts, &values)),
            penalised: 0,
            groups,
            interval: resampled.interval,
            interval_note: resampled.note,
        }
    }
}

/// Weighted counts are scaled to these, so that whole numbers hold them.
const WHOLE: f64 = (1_u64 << 50) as f64;

fn scaled(counts: &[f64], scale: f64) -> Counts {
    let whole = |index: usize| (counts[index] * scale).round() as u64;
    Counts { tp: whole(0), fp: whole(1), fn_: whole(2), tn: whole(3) }
}

#[cfg(test)]
mod tests {
    use MetricKind::*;

    use super::*;

    fn score(case: &str, label: &str, class: (&str, usize), counts: [u64; 4]) -> CaseScore {
        let [tp, fp, fn_, tn] = counts;
        CaseScore {
            case: case.into(),
            group: case.into(),
            label: label.into(),
            class: class.0.into(),
            class_index: class.1,
            counts: Counts { tp, fp, fn_, tn },
            ..CaseScore::default()
        }
    }

    fn lesion(case: &str, label: &str, counts: [u64; 4]) -> CaseScore {
        score(case, label, ("lesion", 1), counts)
    }

    fn find(figures: &[Figure], name: &str) -> Figure {
        let found = figures.iter().find(|figure| figure.name == name);
        found.unwrap_or_else(|| panic!("no figure {name}")).clone()
    }

    /// Dice 0.8, 0.5 on lesions; a normal image found empty, another with a false alarm.
    fn binary() -> Vec<CaseScore> {
        vec![
            lesion("a", "benign", [4, 1, 1, 4]),
            lesion("b", "malignant", [1, 1, 1, 7]),
            lesion("c", "normal", [0, 0, 0, 10]),
            lesion("d", "normal", [0, 5, 0, 5]),
        ]
    }

    #[test]
    fn reductions_of_one_class_are_those_computed_by_hand() {
        let figures = figures(&binary(), &[Dice, Accuracy], EmptyRule::One);
        for (name, value, n) in [
            ("dice.mean", (0.8 + 0.5 + 1.0 + 0.0) / 4.0, 4),
            ("dice.lesion", (0.8 + 0.5) / 2.0, 2),
            ("dice.pooled", 10.0 / 19.0, 4),
            ("dice.label.benign", 0.8, 1),
            ("dice.label.normal", 0.5, 2),
            ("accuracy.mean", (0.8 + 0.8 + 1.0 + 0.5) / 4.0, 4),
            ("accuracy.pooled", 31.0 / 40.0, 4),
        ] {
            let figure = find(&figures, name);
            assert!((figure.value - value).abs() < 1e-15, "{name}: {figure:?}");
            assert_eq!((figure.n, figure.left_out, figure.groups), (n, 0, n), "{name}");
        }
    }

    #[test]
    fn a_skipped_case_is_left_out_and_counted() {
        let figure = find(&figures(&binary(), &[Dice], EmptyRule::Skip), "dice.mean");
        assert!((figure.value - 1.3 / 3.0).abs() < 1e-15);
        assert_eq!((figure.n, figure.left_out), (3, 1));
    }

    #[test]
    fn a_figure_undefined_everywhere_is_nan_over_no_case() {
        let figures = figures(&binary(), &[Auc], EmptyRule::One);
        let figure = find(&figures, "auc.lesion");
        assert!(figure.value.is_nan());
        assert_eq!((figure.n, figure.left_out, figure.interval), (0, 2, None));
        assert!(find(&super::figures(&[], &[Dice], EmptyRule::One), "dice.pooled").value.is_nan());
    }

    /// Three classes; `fat` is in neither image, `stroma` not in the second's truth.
    fn several() -> Vec<CaseScore> {
        vec![
            score("a", "", ("tumor", 0), [2, 0, 2, 4]),
            score("a", "", ("stroma", 1), [4, 2, 0, 2]),
            score("a", "", ("fat", 2), [0, 0, 0, 8]),
            score("b", "", ("tumor", 0), [6, 0, 2, 0]),
            score("b", "", ("stroma", 1), [0, 2, 0, 6]),
            score("b", "", ("fat", 2), [0, 0, 0, 8]),
        ]
    }

    #[test]
    fn undefined_classes_of_a_case_are_counted_as_left_out() {
        let mut scores = several();
        // `b` has no stroma, where some is found: a distance of nothing.
        for (score, hd95) in scores.iter_mut().zip([3.0, 5.0, 0.0, 7.0, f64::NAN, 0.0]) {
            if !hd95.is_nan() {
                score.measured.insert(Hd95, hd95);
            }
        }
        let found = figures(&scores, &[Hd95], EmptyRule::One);
        let mean = find(&found, "hd95.mean");
        assert_eq!((mean.value, mean.n, mean.left_out), ((4.0 + 7.0) / 2.0, 2, 1));
        let lesion = find(&found, "hd95.lesion");
        assert_eq!((lesion.value, lesion.n, lesion.left_out), (5.0, 3, 0));
        scores[3].measured.clear();
        let mean = find(&figures(&scores, &[Hd95], EmptyRule::One), "hd95.mean");
        assert_eq!((mean.value, mean.n, mean.left_out), (4.0, 1, 2));
    }

    #[test]
    fn reductions_of_several_classes_are_those_computed_by_hand() {
        for empty in [EmptyRule::One, EmptyRule::Skip] {
            let figures = figures(&several(), &[Dice, Accuracy], empty);
            let (a_tumor, a_stroma, b_tumor) = (4.0 / 6.0, 8.0 / 10.0, 12.0 / 14.0);
            for (name, value, n) in [
                ("dice.mean", ((a_tumor + a_stroma) / 2.0 + (b_tumor + 0.0) / 2.0) / 2.0, 2),
                ("dice.lesion", (a_tumor + a_stroma + b_tumor) / 3.0, 3),
                ("dice.pooled", (16.0 / 20.0 + 8.0 / 12.0) / 2.0, 2),
                ("dice.class.tumor", (a_tumor + b_tumor) / 2.0, 2),
                ("dice.class.stroma", a_stroma, 1),
                ("accuracy.mean", (6.0 / 8.0 + 6.0 / 8.0) / 2.0, 2),
                ("accuracy.pooled", 12.0 / 16.0, 2),
                ("accuracy.class.tumor", (6.0 / 8.0 + 6.0 / 8.0) / 2.0, 2),
            ] {
                let figure = find(&figures, name);
                assert!((figure.value - value).abs() < 1e-15, "{name}: {figure:?}");
                assert_eq!((figure.n, figure.left_out), (n, 0), "{name}");
            }
            let fat = find(&figures, "dice.class.fat");
            assert!(fat.value.is_nan() && fat.n == 0);
        }
    }

    #[test]
    #[should_panic(expected = "one score for each class")]
    fn a_case_that_lacks_a_class_is_refused() {
        figures(&several()[..5], &[Dice], EmptyRule::One);
    }

    #[test]
    fn distances_have_means_but_nothing_pooled() {
        let mut scores = several();
        for (score, hd95) in scores.iter_mut().zip([3.0, 5.0, 0.0, 1.0]) {
            score.measured.insert(Hd95, hd95);
        }
        let figures = figures(&scores, &[Hd95], EmptyRule::One);
        assert_eq!(find(&figures, "hd95.mean").value, (4.0 + 1.0) / 2.0);
        assert_eq!(find(&figures, "hd95.lesion").value, (3.0 + 5.0 + 1.0) / 3.0);
        assert!(figures.iter().all(|figure| figure.name != "hd95.pooled"));
    }

    #[test]
    fn the_names_listed_are_the_names_given() {
        let names = |scores: &[CaseScore], classes: &[&str], labels: &[&str]| {
            let metrics = [Dice, Accuracy, Hd95, Auc];
            let given: Vec<String> =
                figures(scores, &metrics, EmptyRule::One).into_iter().map(|f| f.name).collect();
            let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
            assert_eq!(given, figure_names(&metrics, &owned(classes), &owned(labels)));
            given
        };
        let given = names(&binary(), &["lesion"], &["benign", "malignant", "normal"]);
        assert_eq!(given[..4], ["dice.mean", "dice.lesion", "dice.pooled", "dice.label.benign"]);
        let given = names(&several(), &["tumor", "stroma", "fat"], &[""]);
        assert_eq!(
            given[3..7],
            ["dice.class.tumor", "dice.class.stroma", "dice.class.fat", "accuracy.mean"]
        );
    }

    fn many() -> Vec<CaseScore> {
        let case = |i: u64| {
            let label = ["benign", "malignant", "normal"][i as usize % 3];
            let truth = if i % 3 == 2 { 0 } else { 20 + i };
            let tp = truth * (i % 7) / 7;
            lesion(&format!("case {i}"), label, [tp, i % 5, truth - tp, 1000 - truth - i % 5])
        };
        (0..60).map(case).collect()
    }

    #[test]
    fn intervals_hold_their_figures() {
        for figure in figures(&many(), &[Dice, Recall, Mcc], EmptyRule::One) {
            let (low, high) = figure.interval.unwrap_or_else(|| panic!("{figure:?}"));
            assert!(low < figure.value && figure.value < high, "{figure:?}");
        }
        assert!(figures(&binary(), &[Dice], EmptyRule::One).iter().all(|f| f.interval.is_none()));
    }

    #[test]
    fn a_figure_over_few_groups_has_no_interval() {
        let mut scores: Vec<CaseScore> =
            (0..5).map(|i| lesion(&format!("{i}"), "", [0, i % 2, 0, 10])).collect();
        scores[3].counts = Counts { tp: 3, fp: 1, fn_: 1, tn: 5 };
        let with_interval = |scores: &[CaseScore]| {
            let figures = figures(scores, &[Dice], EmptyRule::One);
            let with = figures.iter().filter(|figure| figure.interval.is_some());
            with.map(|figure| figure.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(with_interval(&scores), ["dice.mean", "dice.pooled"]);
        scores[0].counts = Counts::default();
        assert!(with_interval(&scores).is_empty());
    }

    #[test]
    fn pooled_counts_without_a_lesion_follow_the_rule() {
        let scores = [lesion("a", "", [0, 0, 0, 10]), lesion("b", "", [0, 0, 0, 10])];
        let pooled = |empty| find(&figures(&scores, &[Dice], empty), "dice.pooled");
        let one = pooled(EmptyRule::One);
        assert_eq!((one.value, one.n, one.left_out), (1.0, 2, 0));
        let skip = pooled(EmptyRule::Skip);
        assert!(skip.value.is_nan());
        assert_eq!((skip.n, skip.left_out), (0, 2));
    }

    #[test]
    fn classes_that_pooled_counts_leave_undefined_are_counted_as_left_out() {
        let scores = [
            score("a", "", ("tumor", 0), [4, 2, 0, 4]),
            score("a", "", ("stroma", 1), [0, 3, 0, 7]),
            score("a", "", ("fat", 2), [0, 0, 0, 10]),
        ];
        let recall = |empty| find(&figures(&scores, &[Recall], empty), "recall.pooled");
        let (skip, one) = (recall(EmptyRule::Skip), recall(EmptyRule::One));
        assert_eq!((skip.value, skip.n, skip.left_out), (1.0, 1, 1));
        assert_eq!((one.value, one.n, one.left_out), (0.5, 1, 0));
    }

    #[test]
    fn intervals_are_those_of_the_bootstrap_alone() {
        let scores = many();
        let values: Vec<f64> =
            scores.iter().filter_map(|score| score.value(Dice, EmptyRule::One)).collect();
        let groups: Vec<&str> = scores.iter().map(|score| score.group.as_str()).collect();
        let figure = find(&figures(&scores, &[Dice], EmptyRule::One), "dice.mean");
        assert_eq!(
            figure.interval,
            super::super::bootstrap::mean_interval(&values, &groups, (0.0, 1.0))
        );
    }

    #[test]
    fn the_order_of_cases_changes_no_figure() {
        let mut scores = many();
        let forth = figures(&scores, &[Dice, Iou], EmptyRule::One);
        scores.reverse();
        for (forth, back) in forth.iter().zip(figures(&scores, &[Dice, Iou], EmptyRule::One)) {
            assert_eq!((&forth.name, forth.n), (&back.name, back.n));
            assert!((forth.value - back.value).abs() < 1e-12);
            let ((a, b), (c, d)) = forth.interval.zip(back.interval).unwrap();
            assert!((a - c).abs() < 1e-12 && (b - d).abs() < 1e-12);
        }
    }
}
