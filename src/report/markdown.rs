//! A summary for CI logs and pull requests.

use std::fmt::Write;

use super::gates::fallen;
use super::headline::{by_task, columns, with_interval};
use super::names;
use super::run::epochs_done;
use super::words::{self, UNDEFINED};
use crate::baseline::{Accepted, Baseline};
use crate::figure_name::FigureName;
use crate::record::Record;
use crate::text;

/// A Markdown table for each task, with a row for each run: status, headline figures with their change to the baseline,
/// gates. Below, each gate that fell and each run that did not finish, with the reason.
pub fn markdown(records: &[Record], baseline: &Baseline) -> String {
    let labels = names::labels(records);
    let tables: Vec<String> =
        by_task(records).iter().map(|(_, runs)| table(records, &labels, runs, baseline)).collect();
    let mut text = tables.join("\n");
    let mut reasons = String::new();
    for (record, label) in records.iter().zip(&labels) {
        for gate in record.gates.iter().filter(|gate| !gate.held) {
            let _ = writeln!(
                reasons,
                "- {}: gate fell: {}",
                text::markdown(label),
                fallen(gate, record)
            );
        }
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

fn table(records: &[Record], labels: &[String], runs: &[usize], baseline: &Baseline) -> String {
    let of_table: Vec<&Record> = runs.iter().map(|&run| &records[run]).collect();
    let figures = columns(&of_table);
    let mut text = String::from("| run | status |");
    for figure in &figures {
        let _ = write!(text, " {} |", text::markdown(&figure.to_string()));
    }
    text.push_str(" gates |\n|---|---|");
    text.push_str(&"---:|".repeat(figures.len()));
    text.push_str("---|\n");
    for &run in runs {
        let record = &records[run];
        let _ = write!(text, "| {} | {} |", text::markdown(&labels[run]), status(record));
        let accepted = baseline.accepted(&record.summary.experiment, record.provenance.seed);
        for figure in &figures {
            let change = accepted.and_then(|accepted| change(record, figure, accepted));
            let value = record.figure(figure).map_or_else(|| UNDEFINED.into(), with_interval);
            let _ = write!(text, " {value}{} |", change.unwrap_or_default());
        }
        let _ = writeln!(text, " {} |", gates(record));
    }
    text
}

/// By how much a figure differs from the accepted one, to follow its value; `None` where the run is the accepted one, or
/// one of the two is missing or undefined.
fn change(record: &Record, figure: &FigureName, accepted: &Accepted) -> Option<String> {
    if record.provenance.run_id == accepted.run {
        return None;
    }
    let (now, then) = (record.figure(figure)?.value, accepted.figures.get(figure)?);
    let difference = now - then;
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

fn gates(record: &Record) -> String {
    let fallen = record.gates.iter().filter(|gate| !gate.held).count();
    match (record.gates.len(), fallen) {
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
            let accepted = Accepted { run: run.into(), figures: [(name.clone(), value)].into() };
            baseline.accept("t", 3, accepted);
            markdown(std::slice::from_ref(&record), &baseline)
        };
        assert!(of("other", 1.0).contains("), −0.415 |"), "{}", of("other", 1.0));
        assert!(of("other", 0.5).contains("), +0.085 |"), "{}", of("other", 0.5));
        let plain = markdown(std::slice::from_ref(&record), &Baseline::default());
        assert_eq!(of(&record.provenance.run_id, 1.0), plain);
    }
}
