//! A summary for CI logs and pull requests.

use std::fmt::Write;

use super::headline::{by_task, columns, with_interval};
use super::names;
use super::run::epochs_done;
use super::words::{self, UNDEFINED};
use crate::record::{Gate, Record};

/// A Markdown table for each task: a row for each run with its status, headline figures and gates; then
/// each gate that fell and each run that did not finish, with the reason.
pub fn markdown(records: &[Record]) -> String {
    let labels = names::labels(records);
    let tables: Vec<String> =
        by_task(records).iter().map(|(_, runs)| table(records, &labels, runs)).collect();
    let mut text = tables.join("\n");
    let mut reasons = String::new();
    for (record, label) in records.iter().zip(&labels) {
        for gate in record.gates.iter().filter(|gate| !gate.held) {
            let _ = writeln!(reasons, "- {}: gate fell: {}", cell(label), fallen(gate));
        }
        if let Some(why) = &record.status.why {
            let _ = writeln!(reasons, "- {}: {}: {}", cell(label), record.status.state, cell(why));
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
        let _ = write!(text, " {} |", cell(figure));
    }
    text.push_str(" gates |\n|---|---|");
    text.push_str(&"---:|".repeat(figures.len()));
    text.push_str("---|\n");
    for &run in runs {
        let record = &records[run];
        let _ = write!(text, "| {} | {} |", cell(&labels[run]), status(record));
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

fn fallen(gate: &Gate) -> String {
    let value = match gate.value {
        Some(value) if value.is_finite() => format!("is {}", words::figure(value)),
        _ => "was not recorded".into(),
    };
    let bounds = [
        gate.at_least.map(|bound| format!("at least {bound}")),
        gate.at_most.map(|bound| format!("at most {bound}")),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    format!("`{}` {value}, must be {}", gate.figure.replace('`', "'"), bounds.join(" and "))
}

/// Text that cannot break out of its cell or become markup.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' => safe.push_str("\\|"),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
