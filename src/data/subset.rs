//! Part of a division's cases: for curves of what more cases buy, and for short trials.

use std::collections::BTreeMap;

use super::dataset::Dataset;
use super::random::{below, shuffle, stream};
use super::split::Split;
use crate::spec::SubsetSpec;

/// Keeps a part of each split's cases and leaves the rest out.
///
/// Of each class the first cases in a seeded order stay, and at least one: classes keep their shares, and a smaller
/// part lies within a larger one.
pub fn subset(spec: &SubsetSpec, dataset: &Dataset, split: Split) -> Split {
    let SubsetSpec { train, valid, test, .. } = spec;
    if (*train, *valid, *test) == (1.0, 1.0, 1.0) {
        return split;
    }
    let keep = |cases: Vec<usize>, fraction: f64, left_out: &mut Vec<usize>| {
        let mut of_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for case in cases {
            of_class.entry(&dataset.cases[case].label).or_default().push(case);
        }
        let mut kept = Vec::new();
        for mut cases in of_class.into_values() {
            let count = (fraction * cases.len() as f64).round().max(1.0) as usize;
            let mut rng = stream(spec.seed, b"subset  ");
            shuffle(&mut cases, |bound| below(&mut rng, bound));
            left_out.extend(cases.drain(count.min(cases.len())..));
            kept.extend(cases);
        }
        kept.sort_unstable();
        kept
    };
    let mut left_out = split.left_out;
    let left_out_why = format!(
        "`dataset.subset` keeps {train} of the training cases, {valid} of validation and {test} of test"
    );
    let train = keep(split.train, *train, &mut left_out);
    let valid = keep(split.valid, *valid, &mut left_out);
    let test = keep(split.test, *test, &mut left_out);
    left_out.sort_unstable();
    Split { train, valid, test, left_out, left_out_why, ..split }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{open, split, unsearched};
    use super::*;
    use crate::source::sample;

    fn divided() -> (Dataset, Split) {
        let spec = sample::spec("kind = 'phantom'\ncases = 120", Path::new("."));
        let dataset = open(&spec).unwrap();
        let split = split(&spec.split, &dataset, &unsearched(&dataset)).unwrap();
        (dataset, split)
    }

    fn part(train: f64) -> SubsetSpec {
        SubsetSpec { train, ..SubsetSpec::default() }
    }

    #[test]
    fn the_whole_of_every_split_is_left_alone() {
        let (dataset, split) = divided();
        assert_eq!(subset(&SubsetSpec::default(), &dataset, split.clone()), split);
    }

    #[test]
    fn classes_keep_their_shares_and_no_case_is_lost() {
        let (dataset, split) = divided();
        let half = subset(&part(0.5), &dataset, split.clone());
        assert_eq!((&half.valid, &half.test), (&split.valid, &split.test));
        let of_class = |cases: &[usize], label: &str| {
            cases.iter().filter(|&&case| dataset.cases[case].label == label).count()
        };
        for label in ["benign", "malignant", "normal"] {
            let whole = of_class(&split.train, label) as f64;
            assert_eq!(of_class(&half.train, label) as f64, (whole / 2.0).round(), "{label}");
        }
        let mut all = [half.train, half.left_out].concat();
        all.sort_unstable();
        assert_eq!(all, split.train);
    }

    #[test]
    fn a_smaller_part_lies_within_a_larger_one_and_another_seed_draws_others() {
        let (dataset, split) = divided();
        let small = subset(&part(0.2), &dataset, split.clone());
        let large = subset(&part(0.6), &dataset, split.clone());
        assert!(small.train.iter().all(|case| large.train.contains(case)));
        let other = subset(&SubsetSpec { seed: 1, ..part(0.2) }, &dataset, split);
        assert_ne!(small.train, other.train);
    }

    #[test]
    fn a_part_of_nothing_is_one_case_of_each_class() {
        let (dataset, split) = divided();
        let spec = SubsetSpec { train: 0.0, valid: 0.0, test: 0.0, seed: 0 };
        let few = subset(&spec, &dataset, split);
        assert_eq!([few.train.len(), few.valid.len(), few.test.len()], [3, 3, 3]);
    }
}
