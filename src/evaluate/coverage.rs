//! How often intervals hold the true figure: the tables of docs/explanation/intervals.md, by simulation.

use std::fmt::Write as _;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::bootstrap::mean_interval;
use super::images::{ImageScore, image_figures, predicted_class};
use super::paired::{mean_over_seeds, of_pixels};
use super::score::CaseScore;
use super::summary::figures;
use crate::metric::{Counts, EmptyRule, MetricKind};

/// Numbers of groups of a study.
const GROUPS: [usize; 6] = [5, 8, 12, 20, 50, 200];

/// Studies of each kind and number of groups.
const STUDIES: u64 = 2000;

/// Cases from which the true figure is computed, each in a group of its own or of the same sizes.
const OF_TRUTH: usize = 200_000;

/// Labelled pixels of a case.
const PIXELS: u64 = 256 * 256;

/// What is drawn.
struct Chance(ChaCha8Rng);

impl Chance {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// 1, 2, .. with a mean of 4.
    fn size(&mut self) -> usize {
        1 + (self.uniform().ln() / 0.75_f64.ln()) as usize
    }
}

/// How the cases of a study come about.
#[derive(Clone, Copy)]
enum Kind {
    /// Cases of one lesion, whose Dice has this logit and spread, a part of which are missed.
    Pixels {
        figure: &'static str,
        logit: f64,
        spread: f64,
        missed: f64,
        size_spread: f64,
        alike: bool,
    },
    /// Images, a third of them of the second class, whose scores lie so far apart.
    Images { figure: &'static str, apart: f64, alike: bool },
    /// Mean Dice over several seeds, which differ by this deviation, over cases and seeds together.
    Seeds { number: usize, deviation: f64 },
    /// Dice of one network less that of another, which misses a part of the lesions.
    Difference { missed: f64 },
}

const KINDS: [(&str, Kind); 18] = {
    const fn pixels(figure: &'static str, missed: f64) -> Kind {
        Kind::Pixels { figure, logit: 1.7, spread: 0.8, missed, size_spread: 0.9, alike: false }
    }
    const fn alike(figure: &'static str, missed: f64) -> Kind {
        Kind::Pixels { figure, logit: 1.7, spread: 0.8, missed, size_spread: 0.9, alike: true }
    }
    const fn images(figure: &'static str, apart: f64) -> Kind {
        Kind::Images { figure, apart, alike: false }
    }
    [
        ("`dice.mean`", pixels("dice.mean", 0.0)),
        ("`dice.mean`, one lesion in ten missed", pixels("dice.mean", 0.1)),
        (
            "`dice.mean`, the same, groups of 1 to about 15 cases that are alike",
            alike("dice.mean", 0.1),
        ),
        ("`recall.pooled`, one lesion in twenty missed", pixels("recall.pooled", 0.05)),
        ("`dice.pooled`, one lesion in ten missed", pixels("dice.pooled", 0.1)),
        ("`hd95.mean`", pixels("hd95.mean", 0.0)),
        ("`accuracy` of images, 0.95", images("accuracy", 3.3)),
        (
            "`accuracy` of images, 0.95, groups of 1 to about 15 that are alike",
            Kind::Images { figure: "accuracy", apart: 3.3, alike: true },
        ),
        ("`recall.class`, 0.95", images("recall.class.malignant", 3.3)),
        ("`balanced-accuracy`, 0.84", images("balanced-accuracy", 2.0)),
        ("`f1.macro`", images("f1.macro", 2.0)),
        ("`auc.class`, 0.80", images("auc.class.malignant", 1.2)),
        ("`auc.class`, 0.98", images("auc.class.malignant", 3.0)),
        (
            "`recall-at-specificity90.class`, 0.76",
            images("recall-at-specificity90.class.malignant", 2.0),
        ),
        (
            "mean `dice.mean` of 3 seeds that differ by 0.02, over cases and seeds",
            Kind::Seeds { number: 3, deviation: 0.02 },
        ),
        (
            "mean `dice.mean` of 5 seeds that differ by 0.05, over cases and seeds",
            Kind::Seeds { number: 5, deviation: 0.05 },
        ),
        ("difference of Dice, paired", Kind::Difference { missed: 0.0 }),
        (
            "difference of Dice where one network misses one lesion in ten",
            Kind::Difference { missed: 0.1 },
        ),
    ]
};

/// A study's figure with its interval, where there is one.
struct Found {
    value: f64,
    interval: Option<(f64, f64)>,
}

impl Kind {
    fn alike(self) -> bool {
        matches!(self, Self::Pixels { alike: true, .. } | Self::Images { alike: true, .. })
    }

    /// The name of each case's group and its deviate, of which 0.3 of the variance is the group's.
    fn cases(self, groups: usize, chance: &mut Chance) -> Vec<(String, f64)> {
        let mut cases = Vec::new();
        for group in 0..groups {
            let name = format!("group {group:06}");
            if !self.alike() {
                cases.push((name, chance.normal()));
                continue;
            }
            let of_group = chance.normal();
            for _ in 0..chance.size() {
                let deviate = 0.3_f64.sqrt() * of_group + 0.7_f64.sqrt() * chance.normal();
                cases.push((name.clone(), deviate));
            }
        }
        cases
    }

    fn study(self, cases: Vec<(String, f64)>, chance: &mut Chance) -> Found {
        match self {
            Self::Pixels { figure, logit, spread, missed, size_spread, .. } => {
                let score = |(index, (group, deviate)): (usize, (String, f64))| {
                    let found = chance.uniform() >= missed;
                    let dice =
                        if found { 1.0 / (1.0 + (-logit - spread * deviate).exp()) } else { 0.0 };
                    let lesion = 3000.0 * (size_spread * chance.normal()).exp();
                    let lesion = (lesion as u64).clamp(100, PIXELS / 2);
                    let hd95 = (2.3 - 0.8 * deviate).exp().min(362.0);
                    let measured = [(MetricKind::Hd95, hd95)].into();
                    CaseScore { measured, ..case(index, group, lesion, dice) }
                };
                let scores: Vec<CaseScore> = cases.into_iter().enumerate().map(score).collect();
                let metric = [MetricKind::Dice, MetricKind::Recall, MetricKind::Hd95]
                    .into_iter()
                    .find(|kind| figure.starts_with(kind.name()));
                of(figures(&scores, &[metric.unwrap()], EmptyRule::One), figure)
            }
            Self::Images { figure, apart, .. } => {
                let score = |(index, (group, deviate)): (usize, (String, f64))| {
                    let truth = usize::from(chance.uniform() < 1.0 / 3.0);
                    let score = deviate + apart * (truth as f64 - 0.5);
                    let p = 1.0 / (1.0 + (-score).exp()) as f32;
                    let probabilities = vec![1.0 - p, p];
                    let predicted = predicted_class(&probabilities, 0.5);
                    ImageScore { case: index.to_string(), group, truth, predicted, probabilities }
                };
                let scores: Vec<ImageScore> = cases.into_iter().enumerate().map(score).collect();
                let metric = MetricKind::of_images()
                    .into_iter()
                    .find(|kind| figure.split('.').next() == Some(kind.name()));
                let classes = ["benign".to_string(), "malignant".to_string()];
                of(image_figures(&scores, &classes, &[metric.unwrap()]), figure)
            }
            Self::Seeds { number, deviation } => {
                let seed = |chance: &mut Chance| {
                    let shift = deviation * chance.normal();
                    let score = |(index, (group, ease)): (usize, &(String, f64))| {
                        let dice = 0.75 + 0.1 * ease + shift + 0.05 * chance.normal();
                        case(index, group.clone(), 1000, dice.clamp(0.0, 1.0))
                    };
                    let scores: Vec<CaseScore> = cases.iter().enumerate().map(score).collect();
                    of(figures(&scores, &[MetricKind::Dice], EmptyRule::One), "dice.mean")
                };
                let seeds: Vec<Found> = (0..number).map(|_| seed(chance)).collect();
                let value = seeds.iter().map(|seed| seed.value).sum::<f64>() / number as f64;
                let with_interval = |seed: &Found| Some((seed.value, seed.interval?));
                let seeds: Option<Vec<_>> = seeds.iter().map(with_interval).collect();
                let over = seeds.and_then(|seeds| mean_over_seeds(&seeds));
                Found { value, interval: over.map(|over| over.interval) }
            }
            Self::Difference { missed } => {
                let mut difference = |deviate: &f64| {
                    if chance.uniform() < missed { -0.8 } else { 0.02 + 0.08 * deviate }
                };
                let values: Vec<f64> =
                    cases.iter().map(|(_, deviate)| difference(deviate)).collect();
                let names: Vec<&str> = cases.iter().map(|(group, _)| group.as_str()).collect();
                let value = values.iter().sum::<f64>() / values.len() as f64;
                Found { value, interval: mean_interval(&values, &names, (-1.0, 1.0)) }
            }
        }
    }
}

/// A case with a lesion of so many pixels, as many predicted, and this Dice.
fn case(index: usize, group: String, lesion: u64, dice: f64) -> CaseScore {
    let tp = (dice * lesion as f64).round() as u64;
    let fp = lesion - tp;
    CaseScore {
        case: format!("{index:06}"),
        group,
        class: "lesion".into(),
        class_index: 1,
        counts: Counts { tp, fp, fn_: fp, tn: PIXELS - lesion - fp },
        ..CaseScore::default()
    }
}

fn of(figures: Vec<super::Figure>, name: &str) -> Found {
    let figure = figures.into_iter().find(|figure| figure.name == name).unwrap();
    Found { value: figure.value, interval: figure.interval }
}

/// The true figure: that of very many cases, which are one group here, since no interval is wanted.
fn truth(kind: Kind) -> f64 {
    let mut chance = Chance(ChaCha8Rng::seed_from_u64(7));
    let mut cases = kind.cases(OF_TRUTH, &mut chance);
    cases.iter_mut().for_each(|(group, _)| *group = "all".into());
    let of_no_seed = match kind {
        Kind::Seeds { .. } => Kind::Seeds { number: 1, deviation: 0.0 },
        other => other,
    };
    of_no_seed.study(cases, &mut chance).value
}

/// What studies of so many groups show.
struct Shown {
    /// The part of the intervals that hold the truth.
    covered: f64,
    width: f64,
    /// The part of the studies that have an interval.
    printed: f64,
}

fn simulate(kind: Kind, truth: f64, groups: usize) -> Shown {
    let study = |study: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(groups as u64);
        random.set_stream(study);
        let mut chance = Chance(random);
        let cases = kind.cases(groups, &mut chance);
        kind.study(cases, &mut chance).interval
    };
    let intervals: Vec<(f64, f64)> = (0..STUDIES).into_par_iter().filter_map(study).collect();
    let n = intervals.len() as f64;
    let covered = intervals.iter().filter(|(low, high)| *low <= truth && truth <= *high).count();
    Shown {
        covered: covered as f64 / n,
        width: intervals.iter().map(|(low, high)| high - low).sum::<f64>() / n,
        printed: n / STUDIES as f64,
    }
}

/// The table, with what falls short of the promise.
fn table() -> (String, Vec<String>) {
    let mut table = "| figure | truth |".to_string();
    GROUPS.iter().for_each(|groups| write!(table, " {groups} |").unwrap());
    table.push_str("\n| --- | ---: |");
    table.push_str(&" ---: |".repeat(GROUPS.len()));
    let mut short = Vec::new();
    for (name, kind) in KINDS {
        let truth = truth(kind);
        write!(table, "\n| {name} | {truth:.3} |").unwrap();
        for groups in GROUPS {
            let Shown { covered, width, printed } = simulate(kind, truth, groups);
            let least = if groups >= 20 { 0.93 } else { 0.9 };
            if printed == 0.0 {
                table.push_str(" none |");
                continue;
            }
            if covered < least {
                short.push(format!("{name} at {groups} groups: {covered:.3}"));
            }
            write!(table, " {covered:.3} ({width:.2})").unwrap();
            if printed < 1.0 {
                write!(table, ", {:.0} %", 100.0 * printed).unwrap();
            }
            table.push_str(" |");
        }
    }
    (table + "\n", short)
}

/// Two networks that are alike, trained from several seeds each: the part of the studies that call one better.
struct Null {
    /// Standard deviation over seeds.
    seeds: f64,
    number_of_seeds: usize,
    /// Groups of 1 to about 15 cases, of which 0.3 of the variance is the group's.
    alike: bool,
}

impl Null {
    /// The test over cases, and the verdict over cases and seeds; one of both networks misses another lesion in ten.
    fn decides(&self, groups: usize, chance: &mut Chance) -> (bool, Option<bool>) {
        let kind = Kind::Images { figure: "", apart: 0.0, alike: self.alike };
        let cases = kind.cases(groups, chance);
        let ease: Vec<f64> = cases.iter().map(|(_, deviate)| 0.1 * deviate).collect();
        let network = |chance: &mut Chance| {
            let seed = |chance: &mut Chance| {
                let shift = self.seeds * chance.normal();
                let score = |(index, (group, _)): (usize, &(String, f64))| {
                    let missed = chance.uniform() < 0.1;
                    let dice = 0.75 + ease[index] + shift + 0.05 * chance.normal();
                    let dice = if missed { 0.0 } else { dice.clamp(0.0, 1.0) };
                    case(index, group.clone(), 1000, dice)
                };
                cases.iter().enumerate().map(score).collect::<Vec<_>>()
            };
            (0..self.number_of_seeds).map(|_| seed(chance)).collect::<Vec<_>>()
        };
        let (first, second) = (network(chance), network(chance));
        let found = of_pixels([&first, &second], "dice.mean", 1).unwrap();
        let differs = found.p < 0.05;
        (differs, found.over_seeds.map(|over| differs && over.is_beyond))
    }
}

/// How often equal networks are told apart: by the test over cases, and by the verdict over cases and seeds.
fn sizes() -> (String, Vec<String>) {
    let nulls = [
        ("1 seed each, weights alike", Null { seeds: 0.0, number_of_seeds: 1, alike: false }),
        (
            "1 seed each, weights alike, groups alike",
            Null { seeds: 0.0, number_of_seeds: 1, alike: true },
        ),
        (
            "1 seed each, seeds differ by 0.02",
            Null { seeds: 0.02, number_of_seeds: 1, alike: false },
        ),
        (
            "3 seeds each, they differ by 0.02",
            Null { seeds: 0.02, number_of_seeds: 3, alike: false },
        ),
        (
            "5 seeds each, they differ by 0.02",
            Null { seeds: 0.02, number_of_seeds: 5, alike: true },
        ),
    ];
    let groups = [8, 20, 50, 200];
    let mut table = "| equal networks | says |".to_string();
    groups.iter().for_each(|groups| write!(table, " {groups} |").unwrap());
    table.push_str("\n| --- | --- |");
    table.push_str(&" ---: |".repeat(groups.len()));
    let mut large = Vec::new();
    for (name, null) in nulls {
        let found = groups.map(|groups| {
            let study = |study: u64| {
                let mut random = ChaCha8Rng::seed_from_u64(1000 + groups as u64);
                random.set_stream(study);
                null.decides(groups, &mut Chance(random))
            };
            let found: Vec<_> = (0..STUDIES).into_par_iter().map(study).collect();
            let part = |count: usize| count as f64 / STUDIES as f64;
            let differ = found.iter().filter(|(differs, _)| *differs).count();
            let better = found.iter().filter(|(_, better)| *better == Some(true)).count();
            [part(differ), part(better)]
        });
        let says = if null.number_of_seeds > 1 {
            ["p below 0.05", "better"]
        } else {
            ["p below 0.05", "-"]
        };
        for (row, says) in says.into_iter().enumerate().filter(|(_, says)| *says != "-") {
            write!(table, "\n| {name} | {says} |").unwrap();
            for (found, groups) in found.iter().zip(groups) {
                write!(table, " {:.3} |", found[row]).unwrap();
                // Seeds that differ are no null of the test over cases, which is why it alone calls none better.
                let is_null = null.seeds == 0.0 || says == "better";
                if is_null && found[row] > 0.06 {
                    large.push(format!("{name}, {says}, {groups} groups: {:.3}", found[row]));
                }
            }
        }
    }
    (table + "\n", large)
}

/// Takes minutes: `.ci/nightly` runs it.
#[test]
#[ignore = "2,000 studies of each kind"]
fn intervals_cover_and_the_documentation_says_how_often() {
    let (table, short) = table();
    assert!(short.is_empty(), "{short:#?}\n{table}");
    documented(&table);
}

/// Takes minutes: `.ci/nightly` runs it.
#[test]
#[ignore = "2,000 studies of each kind"]
fn equal_networks_are_rarely_told_apart_and_the_documentation_says_how_often() {
    let (table, large) = sizes();
    assert!(large.is_empty(), "{large:#?}\n{table}");
    documented(&table);
}

fn documented(table: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explanation/intervals.md");
    let written = std::fs::read_to_string(&page).unwrap();
    assert!(written.contains(table), "{} lacks\n{table}", page.display());
}
