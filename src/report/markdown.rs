//! A summary for CI logs and pull requests.

use std::fmt::Write;

use super::choice::chosen_on_test;
use super::folds::{Folds, folds, unjudged};
use super::gates::fallen;
use super::headline::{by_task, columns, with_interval};
use super::names;
use super::run::epochs_done;
use super::words::{self, UNDEFINED};
use crate::baseline::{Accepted, Baseline, Whose};
use crate::figure_name::FigureName;
use crate::record::{Figure, Gate, Record, RunState, Task};
use crate::text;

/// A Markdown table for each task, with a row for all folds of each experiment that has some, and one for each run: status,
/// headline figures with their change to the baseline, gates. Below, each gate that fell or cannot be judged, each run
/// whose epoch was chosen on the test split, and each that did not finish, with the reason.
pub fn markdown(records: &[Record], baseline: &Baseline) -> String {
    let labels = names::labels(records);
    let folds = folds(records);
    let of_task = |(task, runs): &(Task, Vec<usize>)| {
        let rows = folds.iter().filter(|one| one.task == *task).map(|one| of_folds(one, records));
        let runs = runs.iter().map(|&run| of_run(&records[run], &labels[run]));
        let of_task: Vec<&Record> =
            records.iter().filter(|record| record.summary.task == *task).collect();
        table(&columns(&of_task), &rows.chain(runs).collect::<Vec<_>>(), baseline)
    };
    let tables: Vec<String> = by_task(records).iter().map(of_task).collect();
    let mut text = tables.join("\n");
    let mut reasons = String::new();
    let mut fell = |label: &str, gates: &[Gate], record: &Record| {
        for gate in gates.iter().filter(|gate| !gate.held) {
            let label = text::markdown(label);
            let _ = writeln!(reasons, "- {label}: gate fell: {}", fallen(gate, record));
        }
    };
    for one in &folds {
        fell(&one.label, &one.gates, &one.records[0]);
    }
    for (record, label) in records.iter().zip(&labels) {
        fell(label, &record.gates, record);
    }
    for one in unjudged(records, &folds) {
        let (experiment, why) = (text::markdown(&one.experiment), one.why());
        let _ = writeln!(reasons, "- {experiment}: {}", text::markdown(&why));
    }
    for (record, label) in records.iter().zip(&labels).filter(|(record, _)| chosen_on_test(record))
    {
        let (label, last) = (text::markdown(label), record.status.epoch);
        let epoch = record.summary.selection.as_ref().map_or(last, |selection| selection.epoch);
        let _ = writeln!(
            reasons,
            "- {label}: **epoch {epoch} was chosen on the test split**: its figures are not those of unseen cases"
        );
    }
    for (record, label) in records.iter().zip(&labels) {
        if let Some(why) = &record.status.why {
            let _ = writeln!(
                reasons,
                "- {}: {}: {}",
                text::markdown(label),
                record.status.state,
                text::markdown(&why.replace('\n', " "))
            );
        }
    }
    if !reasons.is_empty() {
        text.push('\n');
        text.push_str(&reasons);
    }
    text
}

/// A row of a table.
struct Row<'a> {
    label: &'a str,
    status: String,
    experiment: &'a str,
    whose: Whose,
    /// The ids of its runs.
    runs: Vec<&'a str>,
    figures: &'a [Figure],
    gates: &'a [Gate],
}

fn of_run<'a>(record: &'a Record, label: &'a str) -> Row<'a> {
    Row {
        label,
        status: status(record),
        experiment: &record.summary.experiment,
        whose: Whose::of_run(record.provenance.seed, record.summary.is_average()),
        runs: vec![&record.provenance.run_id],
        figures: &record.figures,
        gates: &record.gates,
    }
}

fn of_folds<'a>(folds: &'a Folds, records: &'a [Record]) -> Row<'a> {
    Row {
        label: &folds.label,
        status: RunState::Finished.to_string(),
        experiment: &folds.experiment,
        whose: Whose::of_folds(records[folds.runs[0]].summary.is_average()),
        runs: folds.runs.iter().map(|&run| records[run].provenance.run_id.as_str()).collect(),
        figures: &folds.figures,
        gates: &folds.gates,
    }
}

fn table(columns: &[FigureName], rows: &[Row], baseline: &Baseline) -> String {
    let mut text = String::from("| run | status |");
    for column in columns {
        let _ = write!(text, " {} |", text::markdown(&column.to_string()));
    }
    text.push_str(" gates |\n|---|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push_str("---|\n");
    for row in rows {
        let _ = write!(text, "| {} | {} |", text::markdown(row.label), row.status);
        let accepted = baseline.accepted(row.experiment, row.whose);
        for column in columns {
            let figure = row.figures.iter().find(|figure| figure.has_name(column));
            let value = figure.map_or_else(|| UNDEFINED.into(), with_interval);
            let change = accepted.and_then(|accepted| change(row, figure?, column, accepted));
            let _ = write!(text, " {value}{} |", change.unwrap_or_default());
        }
        let _ = writeln!(text, " {} |", gates(row.gates));
    }
    text
}

/// By how much a figure differs from the accepted one, to follow its value; `None` where the runs are the accepted ones, or
/// one of the two is missing or undefined.
fn change(row: &Row, figure: &Figure, name: &FigureName, accepted: &Accepted) -> Option<String> {
    if row.runs == accepted.runs {
        return None;
    }
    let difference = figure.value - accepted.figures.get(name)?;
    let sign = if difference < 0.0 { "−" } else { "+" };
    difference.is_finite().then(|| format!(", {sign}{}", words::figure(difference.abs())))
}

fn status(record: &Record) -> String {
    let (status, done) = (&record.status, epochs_done(record));
    match done < status.epochs {
        true => format!("{}, epoch {done} of {}", status.state, status.epochs),
        false => status.state.to_string(),
    }
}

fn gates(gates: &[Gate]) -> String {
    let fallen = gates.iter().filter(|gate| !gate.held).count();
    match (gates.len(), fallen) {
        (0, _) => UNDEFINED.into(),
        (all, 0) => format!("{all} held"),
        (all, fallen) => format!("**{fallen} of {all} fell**"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples;

    #[test]
    fn figures_have_their_change_to_the_baseline_but_for_those_of_the_accepted_run() {
        let root = tempfile::tempdir().unwrap();
        let record = examples::busi(root.path(), "t", 3, 4, 40);
        let name: FigureName = "test.dice.mean".parse().unwrap();
        let of = |run: &str, value: f64| {
            let mut baseline = Baseline::default();
            let accepted =
                Accepted { runs: vec![run.into()], figures: [(name.clone(), value)].into() };
            baseline.accept("t", Whose::Seed(3), accepted);
            markdown(std::slice::from_ref(&record), &baseline)
        };
        assert!(of("other", 1.0).contains("), −0.415 |"), "{}", of("other", 1.0));
        assert!(of("other", 0.5).contains("), +0.085 |"), "{}", of("other", 0.5));
        let plain = markdown(std::slice::from_ref(&record), &Baseline::default());
        assert_eq!(of(&record.provenance.run_id, 1.0), plain);
    }

    #[test]
    fn an_epoch_that_was_chosen_on_the_test_split_is_said_to_be_so() {
        let root = tempfile::tempdir().unwrap();
        let mut record = examples::busi(root.path(), "t", 3, 4, 40);
        let said = |record: &Record| markdown(std::slice::from_ref(record), &Baseline::default());
        assert!(!said(&record).contains("chosen on the test split"));
        if let Some(selection) = &mut record.summary.selection {
            selection.metric = "test.loss".parse().unwrap();
        }
        assert!(said(&record).contains("was chosen on the test split**"), "{}", said(&record));
    }
}
