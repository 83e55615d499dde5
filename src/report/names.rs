//! Names of runs, splits and figures for people.

use super::configuration::spec_text;
use crate::evaluate::measure_title;
use crate::figure_name::OF_SECOND_HEAD;
use crate::record::Record;
use crate::split_name::SplitName;

/// One label per run, distinct: the experiment, the fold and the seed where it repeats, the id where all do.
pub(super) fn labels(records: &[Record]) -> Vec<String> {
    let levels: Vec<[String; 5]> = records.iter().map(levels).collect();
    let distinct = |depth: usize, one: usize| {
        levels
            .iter()
            .enumerate()
            .all(|(other, level)| other == one || level[depth] != levels[one][depth])
    };
    (0..levels.len())
        .map(|one| {
            let depth = (0..4).find(|&depth| distinct(depth, one)).unwrap_or(4);
            levels[one][depth].clone()
        })
        .collect()
}

/// The label of a run, ever longer.
fn levels(record: &Record) -> [String; 5] {
    let folder = record.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let id = if record.provenance.run_id.is_empty() {
        folder.unwrap_or_default()
    } else {
        record.provenance.run_id.clone()
    };
    let name = if record.summary.experiment.is_empty() { &id } else { &record.summary.experiment };
    let average = record.summary.average_of();
    let seed = average.clone().unwrap_or_else(|| format!("seed {}", record.provenance.seed));
    let repeated = spec_text(record, "dataset.split.repeats").is_some();
    let division = spec_text(record, "dataset.split.seed").filter(|_| repeated);
    let division = division.map(|seed| format!(" of division {seed}")).unwrap_or_default();
    let fold = spec_text(record, "dataset.split.fold");
    let fold = fold.map(|fold| format!("{name}, fold {fold}{division}"));
    let seeded = format!("{}, {seed}", fold.as_ref().unwrap_or(name));
    let short: String = id.chars().take(8).collect();
    let first = fold.unwrap_or_else(|| seeded.clone());
    let with_id = |id: &str| format!("{seeded} ({id})");
    if let Some(average) = average {
        let name = format!("{name}, {average}");
        return [name, seeded.clone(), seeded.clone(), with_id(&short), with_id(&id)];
    }
    [name.clone(), first, seeded.clone(), with_id(&short), with_id(&id)]
}

/// The name of a split in a sentence or heading.
pub(super) fn split(split: SplitName) -> &'static str {
    match split {
        SplitName::Train => "Training",
        SplitName::Valid => "Validation",
        SplitName::Test => "Test",
    }
}

/// The rank of a split in the order test, validation, training.
pub(super) fn split_rank(split: SplitName) -> u8 {
    match split {
        SplitName::Test => 0,
        SplitName::Valid => 1,
        SplitName::Train => 2,
    }
}

/// Each split once, test first.
pub(super) fn splits(splits: impl Iterator<Item = SplitName>) -> Vec<SplitName> {
    let mut splits = distinct(splits);
    splits.sort_by_key(|split| split_rank(*split));
    splits
}

/// Each value once, in order of appearance.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// The title of a figure, such as `Dice, mean over cases` for `dice.mean`.
pub(super) fn figure(name: &str) -> String {
    if let Some(of_images) = name.strip_prefix(OF_SECOND_HEAD) {
        return format!("{} (image)", figure(of_images));
    }
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let metric = metric(first);
    match rest.split_once('.') {
        _ if rest.is_empty() => metric,
        Some(("class", class)) => format!("{metric}, {class}"),
        Some(("label", label)) => format!("{metric}, {label} cases"),
        _ => format!("{metric}, {}", reduction(rest)),
    }
}

fn metric(name: &str) -> String {
    match name {
        "learning-rate" => "Learning rate".to_owned(),
        other => measure_title(other).unwrap_or_else(|| other.to_owned()),
    }
}

fn reduction(name: &str) -> &str {
    match name {
        "mean" => "mean over cases",
        "lesion" => "mean where present",
        "pooled" => "pixels pooled",
        "macro" => "mean over classes",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Provenance, Summary};

    fn record(experiment: &str, seed: u32, id: &str) -> Record {
        Record {
            summary: Summary { experiment: experiment.into(), ..Default::default() },
            provenance: Provenance { seed, run_id: id.into(), ..Default::default() },
            ..Default::default()
        }
    }

    #[test]
    fn a_label_is_no_longer_than_it_must_be_to_be_distinct() {
        let records = [
            record("a", 0, "0123456789"),
            record("b", 0, "x"),
            record("b", 1, "y"),
            record("c", 2, "aaaaaaaaaa"),
            record("c", 2, "bbbbbbbbbb"),
        ];
        assert_eq!(
            labels(&records),
            ["a", "b, seed 0", "b, seed 1", "c, seed 2 (aaaaaaaa)", "c, seed 2 (bbbbbbbb)"]
        );
    }

    #[test]
    fn an_average_is_named_as_such_beside_the_runs_of_its_experiment() {
        let mut average = record("b", 0, "z");
        average.summary.members = vec!["x".into(), "y".into()];
        let mut of_fold = average.clone();
        of_fold.spec = "[dataset.split]\nfold = 1".into();
        let records = [record("b", 0, "x"), record("b", 1, "y"), average, of_fold];
        assert_eq!(
            labels(&records),
            ["b, seed 0", "b, seed 1", "b, average of 2 seeds", "b, fold 1, average of 2 seeds"]
        );
        assert_eq!(labels(&records[2..3]), ["b, average of 2 seeds"]);
    }

    #[test]
    fn figures_are_named_with_their_reduction() {
        assert_eq!(figure("dice.mean"), "Dice, mean over cases");
        assert_eq!(figure("loss"), "Loss");
        assert_eq!(figure("image-auc.macro"), "AUC, mean over classes (image)");
        assert_eq!(figure("dice.class.tumor"), "Dice, tumor");
        assert_eq!(figure("hd95.label.grade.2"), "HD95 (px), grade.2 cases");
    }
}
