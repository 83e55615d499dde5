//! Which cases an epoch of training draws: `schedule.sampler`.

use std::collections::BTreeMap;

use super::crop::Cut;
use super::dataset::Dataset;
use super::draws::{Draws, Purpose};
use super::order::order_epoch;
use super::random::shuffle;
use crate::spec::Sampler;

/// A case drawn for an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Its index in [`Dataset::cases`].
    pub case: usize,
    /// How often it has come before in the epoch.
    pub repeat: u32,
    /// Which part of it is seen, where that is not drawn.
    pub cut: Option<Cut>,
}

impl Drawn {
    /// A case that comes once.
    pub(super) fn once(case: usize) -> Self {
        Self { case, repeat: 0, cut: None }
    }
}

/// The cases of one epoch of a seed, in order: as many as `cases`.
pub(super) fn draw_epoch(
    sampler: Sampler,
    dataset: &Dataset,
    cases: &[usize],
    seed: u32,
    epoch: u32,
) -> Vec<Drawn> {
    match sampler {
        Sampler::Shuffle => {
            let mut cases = cases.to_vec();
            order_epoch(dataset, &mut cases, seed, epoch);
            cases.into_iter().map(Drawn::once).collect()
        }
        Sampler::Balanced => balanced(dataset, cases, seed, epoch),
    }
}

/// Each label equally often, but for one case where labels do not divide the epoch evenly: which labels get it is drawn.
fn balanced(dataset: &Dataset, cases: &[usize], seed: u32, epoch: u32) -> Vec<Drawn> {
    let mut stream = Draws::new(seed, epoch, "").stream(Purpose::Sampler);
    let mut labels: Vec<Vec<usize>> = by_label(dataset, cases).into_values().collect();
    shuffle(&mut labels, |bound| stream.below(bound));
    let each = cases.len() / labels.len().max(1);
    let more = cases.len() - each * labels.len();
    let mut drawn = Vec::with_capacity(cases.len());
    for (place, mut of_label) in labels.into_iter().enumerate() {
        let mut left = each + usize::from(place < more);
        for repeat in 0.. {
            shuffle(&mut of_label, |bound| stream.below(bound));
            drawn.extend(of_label.iter().take(left).map(|&case| Drawn { case, repeat, cut: None }));
            left = left.saturating_sub(of_label.len());
            if left == 0 {
                break;
            }
        }
    }
    shuffle(&mut drawn, |bound| stream.below(bound));
    drawn
}

/// Cases by the label of their images.
fn by_label<'a>(dataset: &'a Dataset, cases: &[usize]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut labels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &case in cases {
        labels.entry(&dataset.cases[case].label).or_default().push(case);
    }
    labels
}

/// Why training cases cannot be drawn so.
pub fn problem(sampler: Sampler, dataset: &Dataset, train: &[usize]) -> Option<String> {
    if sampler == Sampler::Shuffle {
        return None;
    }
    let labels = by_label(dataset, train);
    let (first, of_first) = labels.first_key_value()?;
    if first.is_empty() {
        return Some(format!(
            "\"balanced\" draws each label of images equally often, and {} of the {} training cases have none: give images \
             a class (folders of classes, `{{class}}` of a pattern, a column of a table), or write \"shuffle\"",
            of_first.len(),
            train.len()
        ));
    }
    (labels.len() == 1).then(|| {
        format!(
            "\"balanced\" draws each label of images equally often, and all {} training cases have the label `{first}`: \
             write \"shuffle\"",
            train.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::tiny;
    use super::*;

    /// So many cases of each label, in turn.
    fn dataset(counts: &[(&str, usize)]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let case = tiny::dataset(folder.path(), 1).cases[0].clone();
        let labels = counts.iter().flat_map(|(label, count)| std::iter::repeat_n(label, *count));
        let mut cases = Vec::new();
        for label in labels {
            let mut case = case.clone();
            (case.id, case.label) = (format!("c{}", cases.len()), label.to_string());
            cases.push(case);
        }
        tiny::of(cases)
    }

    fn all(dataset: &Dataset) -> Vec<usize> {
        (0..dataset.cases.len()).collect()
    }

    fn drawn(dataset: &Dataset, seed: u32, epoch: u32) -> Vec<Drawn> {
        draw_epoch(Sampler::Balanced, dataset, &all(dataset), seed, epoch)
    }

    #[test]
    fn each_label_comes_equally_often_and_each_of_its_cases_about_as_often_as_another() {
        let dataset = dataset(&[("malignant", 3), ("benign", 50), ("normal", 17)]);
        let mut times = vec![0; 70];
        for epoch in 0..300 {
            let drawn = drawn(&dataset, 0, epoch);
            assert_eq!(drawn.len(), 70);
            let mut of_label: HashMap<&str, usize> = HashMap::new();
            let mut of_case: HashMap<usize, Vec<u32>> = HashMap::new();
            for Drawn { case, repeat, .. } in drawn {
                *of_label.entry(&dataset.cases[case].label).or_default() += 1;
                of_case.entry(case).or_default().push(repeat);
                times[case] += 1;
            }
            assert!(
                of_label.len() == 3 && of_label.values().all(|count| (23..=24).contains(count))
            );
            for (case, mut repeats) in of_case {
                repeats.sort_unstable();
                assert!(
                    repeats.iter().copied().eq(0..repeats.len() as u32),
                    "case {case}: {repeats:?}"
                );
                let whole = [(3, 7), (50, 0), (17, 1)];
                let label = [0..3, 3..53, 53..70].iter().position(|of| of.contains(&case)).unwrap();
                let (cases, least) = whole[label];
                assert!(
                    (least..=24 / cases + 1).contains(&repeats.len()),
                    "case {case}: {repeats:?}"
                );
            }
        }
        // 300 epochs of 70 / 3 cases a label.
        for (case, &times) in times.iter().enumerate() {
            let cases = [3.0, 50.0, 17.0][usize::from(case >= 3) + usize::from(case >= 53)];
            let expected = 7000.0 / cases;
            assert!(
                (f64::from(times) - expected).abs() < 0.3 * expected,
                "case {case}: {times} times"
            );
        }
        let of_label = |cases: std::ops::Range<usize>| times[cases].iter().sum::<i32>();
        for count in [of_label(0..3), of_label(3..53), of_label(53..70)] {
            assert!((6900..7100).contains(&count), "{count}");
        }
    }

    #[test]
    fn what_is_drawn_follows_from_seed_and_epoch_alone() {
        let dataset = dataset(&[("a", 2), ("b", 9)]);
        assert_eq!(drawn(&dataset, 1, 5), drawn(&dataset, 1, 5));
        assert_ne!(drawn(&dataset, 1, 5), drawn(&dataset, 1, 6));
        assert_ne!(drawn(&dataset, 1, 5), drawn(&dataset, 2, 5));
    }

    #[test]
    fn shuffled_cases_come_once_in_the_order_of_before() {
        let dataset = dataset(&[("a", 2), ("b", 9)]);
        let mut order = all(&dataset);
        order_epoch(&dataset, &mut order, 3, 4);
        let drawn = draw_epoch(Sampler::Shuffle, &dataset, &all(&dataset), 3, 4);
        assert_eq!(drawn, order.into_iter().map(Drawn::once).collect::<Vec<_>>());
        assert!(draw_epoch(Sampler::Balanced, &dataset, &[], 0, 0).is_empty());
    }

    #[test]
    fn cases_without_labels_or_with_one_label_cannot_be_balanced() {
        let said = |counts: &[(&str, usize)]| {
            let dataset = dataset(counts);
            problem(Sampler::Balanced, &dataset, &all(&dataset))
        };
        assert!(
            said(&[("", 2), ("a", 3)]).unwrap().contains("2 of the 5 training cases have none")
        );
        assert!(said(&[("a", 3)]).unwrap().contains("all 3 training cases have the label `a`"));
        assert_eq!(said(&[("a", 3), ("b", 1)]), None);
        let unlabelled = dataset(&[("", 2)]);
        assert_eq!(problem(Sampler::Shuffle, &unlabelled, &all(&unlabelled)), None);
    }
}
