//! A summary for CI logs and pull requests.

use std::fmt::Write;

use super::headline::{by_task, columns, left_out, with_interval};
use super::names;
use super::run::epochs_done;
use super::words::{self, UNDEFINED};
use crate::record::{Gate, Record};
use crate::text;

/// A Markdown table for each task, with a row for each run: status, headline figures, gates. Below, each gate that fell
/// and each run that did not finish, with the reason.
pub fn markdown(records: &[Record]) -> String {
    let labels = names::labels(records);
    let tables: Vec<String> =
        by_task(records).iter().map(|(_, runs)| table(records, &labels, runs)).collect();
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

fn table(records: &[Record], labels: &[String], runs: &[usize]) -> String {
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
        for figure in &figures {
            let value = record.figure(figure).map_or_else(|| UNDEFINED.into(), with_interval);
            let _ = write!(text, " {value} |");
        }
        let _ = writeln!(text, " {} |", gates(record));
    }
    text
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

/// Why a gate fell, by the record of its run.
pub fn fallen(gate: &Gate, record: &Record) -> String {
    let left_out = record.figure(&gate.figure).map(left_out).unwrap_or_default();
    let value = match gate.value {
        Some(value) if value.is_finite() => format!("is {}{left_out}", words::figure(value)),
        _ if record.figure(&gate.figure).is_some() => format!("is undefined{left_out}"),
        _ => "was not recorded".into(),
    };
    let bounds = [
        gate.at_least.map(|bound| format!("at least {bound}")),
        gate.at_most.map(|bound| format!("at most {bound}")),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    format!(
        "{} {value}, must be {}",
        text::markdown_code(&gate.figure.to_string()),
        bounds.join(" and ")
    )
}
