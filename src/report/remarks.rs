//! Remarks on a run: doubts about its results, and notes.

use serde::Serialize;

use super::choice::measured;
use super::names;
use super::readings::test_readings;
use super::split_table::SplitTable;
use super::words;
use crate::evaluate::describe_steps;
use crate::record::{Confusion, Record, RunState, Task};
use crate::split_name::SplitName;

/// A remark on a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Remark {
    /// Whether it casts doubt on a result.
    pub warning: bool,
    /// Its text.
    pub text: String,
    /// What it comes to, alike for all runs that it is true of; empty where the text is.
    #[serde(skip)]
    pub brief: &'static str,
}

impl Remark {
    fn in_brief(self, brief: &'static str) -> Self {
        Self { brief, ..self }
    }
}

/// All remarks on a run, the doubts first.
pub(super) fn remarks(record: &Record, split: &SplitTable) -> Vec<Remark> {
    let mut remarks = Vec::new();
    remarks.extend(leak(record, split));
    remarks.extend(test_reads(record));
    remarks.extend(not_finite(record));
    remarks.extend(course_of_the_loss(record));
    remarks.extend(generalisation_gap(record));
    remarks.extend(record.confusion.iter().flat_map(never_predicted));
    remarks.extend(few_cases(record));
    remarks.extend(steps(record));
    remarks.extend(overrides(record));
    remarks.extend(record.summary.undrawn.iter().map(|said| note(format!("{said}."))));
    remarks.sort_by_key(|remark| !remark.warning);
    remarks
}

fn warning(text: String) -> Remark {
    Remark { warning: true, text, brief: "" }
}

fn note(text: String) -> Remark {
    Remark { warning: false, text, brief: "" }
}

fn overrides(record: &Record) -> Option<Remark> {
    let overrides = &record.summary.overrides;
    (!overrides.is_empty()).then(|| {
        note(format!(
            "Set outside the spec file: {}. The description and the notes on published figures are those of the \
             file.",
            overrides.join(", ")
        ))
    })
}

fn leak(record: &Record, split: &SplitTable) -> Vec<Remark> {
    let mut remarks = Vec::new();
    // A leak among the findings is shown above the figures already.
    let said = record.summary.findings.iter().any(|finding| finding.kind.is_leak());
    if !split.crossing.is_empty() && !said {
        remarks.push(warning(format!(
            "Of the groups that should stay together, {} {} in more than one split: validation and test \
             figures are too optimistic.",
            split.crossing.len(),
            if split.crossing.len() == 1 { "lies" } else { "lie" }
        )));
    }
    if !split.repeated.is_empty() {
        remarks.push(warning(format!(
            "Cases named in more than one split: {}, such as {}.",
            split.repeated.len(),
            split.repeated[0]
        )));
    }
    remarks
}

fn test_reads(record: &Record) -> Option<Remark> {
    let readings = test_readings(record);
    readings.doubt.then(|| {
        warning(format!(
            "The test split was {}: its figures are no longer those of unseen cases.",
            readings.clause
        ))
        .in_brief("the test split was read before: its figures are no longer those of unseen cases")
    })
}

fn not_finite(record: &Record) -> Option<Remark> {
    let row = record
        .epochs
        .iter()
        .find(|row| row.figures.get("loss").is_some_and(|loss| !loss.is_finite()))?;
    Some(warning(format!(
        "The {} loss was not a finite number in epoch {}.",
        names::split(row.split).to_lowercase(),
        row.epoch
    )))
}

/// Losses of a split by epoch.
fn losses(record: &Record, split: SplitName) -> Vec<(u32, f64)> {
    record
        .epochs
        .iter()
        .filter(|row| row.split == split)
        .filter_map(|row| row.figures.get("loss").map(|&loss| (row.epoch, loss)))
        .filter(|(_, loss)| loss.is_finite())
        .collect()
}

/// The smallest rise of a split's loss that counts, as a fraction of its lowest value.
const RISE: f64 = 0.02;

/// Overfitting, underfitting and divergence, by the two losses.
fn course_of_the_loss(record: &Record) -> Option<Remark> {
    let measured = measured(record);
    let split = names::split(measured);
    let (train, valid) = (losses(record, SplitName::Train), losses(record, measured));
    let &(lowest_epoch, lowest) = valid.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let &(last_epoch, last) = valid.last()?;
    if valid.len() < 3 {
        return None;
    }
    let train_at = |epoch: u32| train.iter().find(|(other, _)| *other == epoch).map(|row| row.1);
    let (train_then, train_last) = (train_at(lowest_epoch)?, train_at(last_epoch)?);
    let from_to = |from: f64, to: f64| format!("from {}", words::range(from, to));
    if last > lowest * (1.0 + RISE) && last_epoch > lowest_epoch + 1 {
        let valid = from_to(lowest, last);
        let train = from_to(train_then, train_last);
        return Some(if train_last < train_then {
            warning(format!(
                "{split} loss rose from epoch {lowest_epoch} on ({valid}) while training loss \
                 fell ({train}): overfitting.{}",
                kept(record)
            ))
            .in_brief("overfitting: the loss rose while that of training fell")
        } else {
            warning(format!(
                "{split} and training loss both rose after epoch {lowest_epoch} ({valid}; \
                 {train}): training diverges, perhaps because the learning rate is too high.{}",
                kept(record)
            ))
            .in_brief("training diverges: both losses rose")
        });
    }
    let &(_, first) = valid.first()?;
    let finished = record.status.state == RunState::Finished;
    if finished && lowest_epoch == last_epoch && last < first * (1.0 - RISE) {
        return Some(note(format!(
            "{split} loss was lowest in the last epoch ({}): more epochs may improve it.",
            words::figure(last)
        )));
    }
    None
}

/// Which epoch is evaluated, where later ones are in doubt.
fn kept(record: &Record) -> String {
    match &record.summary.selection {
        Some(selection) => {
            format!(" The weights of epoch {} are evaluated.", selection.epoch)
        }
        None => String::new(),
    }
}

/// The gap between training and validation that is worth a remark.
const GAP: f64 = 0.15;

fn generalisation_gap(record: &Record) -> Option<Remark> {
    let epoch = record.summary.selection.as_ref()?.epoch;
    let (name, figure) = match record.summary.task {
        Task::Segment => ("Dice", "dice.mean"),
        Task::Classify => ("balanced accuracy", "balanced-accuracy"),
    };
    let value = |split: SplitName| {
        let row = record.epochs.iter().find(|row| row.epoch == epoch && row.split == split)?;
        row.figures.get(figure).copied()
    };
    let measured = measured(record);
    let split = names::split(measured).to_lowercase();
    let (train, valid) = (value(SplitName::Train)?, value(measured)?);
    (train - valid > GAP).then(|| {
        note(format!(
            "At the chosen epoch {name} is {} on training and {} on {split} cases: the network \
             fits training cases much better.",
            words::figure(train),
            words::figure(valid)
        ))
    })
}

fn never_predicted(confusion: &Confusion) -> Vec<Remark> {
    let column =
        |class: usize| -> u64 { confusion.matrix.iter().filter_map(|row| row.get(class)).sum() };
    confusion
        .classes
        .iter()
        .enumerate()
        .filter(|(class, _)| {
            let truth: u64 = confusion.matrix.get(*class).map_or(0, |row| row.iter().sum());
            truth > 0 && column(*class) == 0
        })
        .map(|(_, name)| {
            warning(format!(
                "{}: the class {name} is never predicted, though it occurs.",
                names::split(confusion.split)
            ))
        })
        .collect()
}

/// With fewer cases a figure is hardly reliable.
const FEW: u64 = 20;

fn few_cases(record: &Record) -> Option<Remark> {
    let name = record.summary.headline.first()?;
    let figure = record.figure(name)?;
    let cases = if figure.n == 1 { "case" } else { "cases" };
    (figure.n < FEW).then(|| {
        note(format!(
            "{name} summarises {} {cases} only: differences between runs below the width of its interval mean \
             nothing.",
            figure.n
        ))
    })
}

/// That figures are of more than the network.
fn steps(record: &Record) -> Option<Remark> {
    let steps = describe_steps(record.summary.settled.as_ref()?)?;
    Some(note(format!(
        "Figures, masks and pictures are of probabilities {steps}; curves and the choice of the epoch are of the network \
         alone."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure_name::FigureName;
    use crate::record::{EpochRow, Reading, Selection};
    use crate::spec::Settled;

    fn record(train: &[f64], valid: &[f64]) -> Record {
        let rows = |split: SplitName, losses: &[f64]| {
            losses
                .iter()
                .enumerate()
                .map(|(index, &loss)| EpochRow {
                    epoch: index as u32 + 1,
                    split,
                    learning_rate: 1e-3,
                    figures: [("loss".to_owned(), loss)].into(),
                })
                .collect::<Vec<_>>()
        };
        Record {
            epochs: [rows(SplitName::Train, train), rows(SplitName::Valid, valid)].concat(),
            ..Default::default()
        }
    }

    fn said(record: &Record) -> Vec<String> {
        remarks(record, &SplitTable::default()).into_iter().map(|remark| remark.text).collect()
    }

    #[test]
    fn a_published_epoch_table_is_recognised_as_overfitting() {
        let train = [1.4850, 1.2, 1.1, 1.0, 0.9, 0.85, 0.82, 0.80, 0.77, 0.7498];
        let valid = [1.2432, 1.23, 1.21, 1.20, 1.25, 1.30, 1.33, 1.40, 1.44, 1.4807];
        let mut record = record(&train, &valid);
        record.summary.selection = Some(Selection {
            epoch: 4,
            metric: FigureName::new(SplitName::Valid, "loss"),
            value: 1.2,
        });
        assert_eq!(
            said(&record),
            [
                "Validation loss rose from epoch 4 on (from 1.200 to 1.481) while training loss fell \
             (from 1.000 to 0.750): overfitting. The weights of epoch 4 are evaluated."
            ]
        );
    }

    #[test]
    fn a_loss_still_falling_asks_for_more_epochs() {
        let mut record = record(&[1.0, 0.8, 0.6, 0.5], &[1.0, 0.9, 0.8, 0.7]);
        assert!(said(&record).is_empty(), "a run at work has more epochs to come");
        record.status.state = RunState::Finished;
        let said = said(&record);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("lowest in the last epoch (0.700)"), "{said:?}");
    }

    #[test]
    fn both_losses_rising_is_called_divergence() {
        let said = said(&record(&[1.0, 0.8, 2.0, 5.0], &[1.0, 0.9, 2.5, 6.0]));
        assert!(said[0].contains("diverges"), "{said:?}");
    }

    #[test]
    fn a_flat_or_short_course_is_not_remarked_on() {
        assert!(said(&record(&[0.5, 0.4, 0.3, 0.3], &[0.5, 0.4, 0.4, 0.402])).is_empty());
        assert!(said(&record(&[0.5], &[0.5])).is_empty());
        assert!(said(&record(&[0.5, 0.4], &[0.5, 0.9])).is_empty());
        assert!(said(&Record::default()).is_empty());
    }

    #[test]
    fn a_loss_that_is_not_finite_is_named_with_its_epoch() {
        let said = said(&record(&[1.0, f64::NAN], &[1.0, 0.9]));
        assert_eq!(said, ["The training loss was not a finite number in epoch 2."]);
    }

    #[test]
    fn a_class_that_occurs_and_is_never_predicted_is_named() {
        let confusion = vec![Confusion {
            split: SplitName::Test,
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            matrix: vec![vec![5, 0, 0], vec![2, 0, 0], vec![0, 0, 0]],
        }];
        let record = Record { confusion, ..Default::default() };
        assert_eq!(said(&record), ["Test: the class b is never predicted, though it occurs."]);
    }

    #[test]
    fn figures_of_more_than_the_network_are_said_to_be_so() {
        let of = |settled: Settled| {
            let mut record = Record::default();
            record.summary.settled = Some(settled);
            said(&record)
        };
        assert!(of(Settled::network()).is_empty());
        let said = of(Settled { temperature: 1.5, ..Settled::network() });
        assert!(said[0].contains("probabilities calibrated at temperature 1.500;"), "{said:?}");
    }

    #[test]
    fn what_was_said_otherwise_than_the_file_is_listed() {
        let mut record = Record::default();
        record.summary.overrides =
            vec!["dataset.image-size = 64".into(), "schedule.epochs = 1".into()];
        assert!(said(&record)[0].contains("file: dataset.image-size = 64, schedule.epochs = 1."));
    }

    #[test]
    fn reading_the_test_split_again_and_leaks_are_warnings() {
        let record = Record { readings: Some(vec![Reading::default(); 3]), ..Default::default() };
        let split = SplitTable { repeated: vec!["case 7".into()], ..Default::default() };
        let remarks = remarks(&record, &split);
        assert!(remarks.iter().all(|remark| remark.warning));
        assert!(
            remarks[0].text.contains("case 7") && remarks[1].text.contains("3 times by one run")
        );
    }
}
