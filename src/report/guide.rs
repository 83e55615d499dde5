//! Which network predicted the mask of each case of a guided classifier.

use std::collections::BTreeMap;

use serde::Serialize;

use super::names;
use crate::record::{GuideRow, Record};

/// The networks that predicted masks, and the cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Guide<'a> {
    /// The networks, by fold.
    pub networks: Vec<Network<'a>>,
    /// The cases, by split and name.
    pub cases: Vec<&'a GuideRow>,
}

/// A network that predicted masks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Network<'a> {
    /// Id of its run.
    pub run: &'a str,
    /// The fold of the training cases that it was trained without.
    pub fold: u32,
    /// Number of masks that it predicted, by split.
    pub made: BTreeMap<&'a str, usize>,
    /// Mean Dice of these masks; `None` where undefined.
    pub dice: Option<f64>,
}

/// The guide of a run; `None` without one.
pub(super) fn guide(record: &Record) -> Option<Guide<'_>> {
    let runs = names::distinct(record.guide.iter().map(|row| (row.run.as_str(), row.fold)));
    let network = |(run, fold)| {
        let of_run = || record.guide.iter().filter(move |row| row.run == run);
        let mut made = BTreeMap::new();
        of_run().for_each(|row| *made.entry(row.split.as_str()).or_insert(0) += 1);
        let dice: Vec<f64> = of_run().filter_map(|row| row.dice).collect();
        let mean = || dice.iter().sum::<f64>() / dice.len() as f64;
        Network { run, fold, made, dice: (!dice.is_empty()).then(mean) }
    };
    let mut networks: Vec<Network> = runs.into_iter().map(network).collect();
    networks.sort_by_key(|network| network.fold);
    let mut cases: Vec<&GuideRow> = record.guide.iter().collect();
    cases.sort_by_key(|row| (row.split.as_str(), &row.case));
    (!networks.is_empty()).then_some(Guide { networks, cases })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_name::SplitName;

    #[test]
    fn networks_are_listed_with_what_they_made() {
        let row = |case: &str, split: SplitName, run: &str, fold, dice| GuideRow {
            case: case.into(),
            split,
            run: run.into(),
            fold,
            dice,
            ..GuideRow::default()
        };
        let rows = vec![
            row("b", SplitName::Train, "r1", 1, Some(0.5)),
            row("a", SplitName::Train, "r0", 0, Some(0.25)),
            row("c", SplitName::Test, "r0", 0, Some(0.75)),
            row("d", SplitName::Test, "r0", 0, None),
        ];
        let record = Record { guide: rows, ..Record::default() };
        let guide = guide(&record).unwrap();
        assert_eq!(guide.networks[0].made, BTreeMap::from([("test", 2), ("train", 1)]));
        assert_eq!(guide.networks[0].dice, Some(0.5));
        assert_eq!(guide.networks[1].run, "r1");
        let names: Vec<&str> = guide.cases.iter().map(|row| row.case.as_str()).collect();
        assert_eq!(names, ["c", "d", "a", "b"]);
        assert_eq!(super::guide(&Record::default()), None);
    }
}
