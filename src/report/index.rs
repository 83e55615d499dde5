//! An index over many runs: a leaderboard, sweeps, and gates over time, with links to pages of single experiments.

use std::collections::BTreeMap;

use serde::Serialize;

use super::charts::{Chart, Line};
use super::curves::Curve;
use super::folds::folds;
use super::headline::{Headline, headlines};
use super::names;
use super::page;
use super::parallel;
use super::run::short_date;
use super::{ReportOptions, Unreadable};
use crate::error::{Error, Result};
use crate::record::{Gate, Record, RunState, Sweep};

/// The data of the template.
#[derive(Serialize)]
struct Index<'a> {
    title: String,
    command: &'a str,
    version: &'static str,
    unreadable: &'a [Unreadable],
    runs: Vec<IndexedRun<'a>>,
    headlines: Vec<Headline>,
    sweeps: Vec<IndexedSweep<'a>>,
    histories: Vec<History>,
}

/// A run.
#[derive(Serialize)]
struct IndexedRun<'a> {
    label: &'a str,
    experiment: &'a str,
    /// The page of its experiment; `None` without one.
    page: Option<&'a str>,
    id: &'a str,
    state: String,
    gates: usize,
    fallen: usize,
    finished: String,
    commit: &'a str,
    device: &'a str,
}

/// A sweep.
#[derive(Serialize)]
struct IndexedSweep<'a> {
    label: &'a str,
    sweep: &'a Sweep,
    drawing: String,
    best: String,
}

/// A gate of an experiment over its runs.
#[derive(Serialize)]
struct History {
    experiment: String,
    curve: Curve,
    points: Vec<Judged>,
}

/// A judgement of a gate.
#[derive(Serialize)]
struct Judged {
    finished: String,
    commit: String,
    value: Option<f64>,
    held: bool,
}

/// Renders an index of records as one self-contained HTML page; `pages` are the pages of experiments, by their names.
///
/// # Errors
/// When there is no record, or a template of `options.templates` is wrong.
pub fn index(
    records: &[Record],
    pages: &BTreeMap<String, String>,
    options: &ReportOptions,
) -> Result<String> {
    if records.is_empty() {
        return Err(Error::user("an index needs at least one run; `oncospec list` names the runs"));
    }
    let labels = names::labels(records);
    let folds = folds(records);
    let runs = records.iter().zip(&labels).map(|(record, label)| IndexedRun {
        label,
        experiment: &record.summary.experiment,
        page: pages.get(&record.summary.experiment).map(String::as_str),
        id: &record.provenance.run_id,
        state: record.status.state.to_string(),
        gates: record.gates.len(),
        fallen: record.gates.iter().filter(|gate| !gate.held).count(),
        finished: short_date(record.provenance.finished.as_deref().unwrap_or_default()),
        commit: record.provenance.git.as_ref().map(|git| git.commit.as_str()).unwrap_or_default(),
        device: &record.provenance.device,
    });
    let sweeps = records.iter().zip(&labels).filter(|(record, _)| !record.sweep.trials.is_empty());
    let sweeps = sweeps.map(|(record, label)| IndexedSweep {
        label,
        sweep: &record.sweep,
        drawing: parallel::drawing(&record.sweep),
        best: record
            .sweep
            .trials
            .iter()
            .find(|trial| trial.number == record.sweep.chosen)
            .map_or_else(String::new, |trial| crate::record::in_a_line(&trial.keys)),
    });
    let page = Index {
        title: if options.title.is_empty() { "Runs".into() } else { options.title.clone() },
        command: &options.command,
        version: env!("CARGO_PKG_VERSION"),
        unreadable: &options.unreadable,
        runs: runs.collect(),
        headlines: headlines(records, &labels, &folds),
        sweeps: sweeps.collect(),
        histories: histories(records)?,
    };
    page::render_template("index.html.j2", &page, options.templates.as_deref())
}

/// The gates of experiments that have two finished runs or more which judge them, in the order of their ends.
fn histories(records: &[Record]) -> Result<Vec<History>> {
    let mut judged: BTreeMap<(&str, String), Vec<(&Record, &Gate)>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.status.state == RunState::Finished) {
        for gate in &record.gates {
            let key = (record.summary.experiment.as_str(), gate.figure.to_string());
            judged.entry(key).or_default().push((record, gate));
        }
    }
    judged.retain(|_, of| of.len() > 1);
    let history = |((experiment, figure), mut of): ((&str, String), Vec<(&Record, &Gate)>)| {
        of.sort_by_key(|(record, _)| record.provenance.finished.clone());
        let numbered = |value: &dyn Fn(&Gate) -> Option<f64>| {
            let values =
                of.iter().enumerate().map(|(at, (_, gate))| (at as f64 + 1.0, value(gate)));
            values.filter_map(|(at, value)| Some((at, value?))).collect::<Vec<(f64, f64)>>()
        };
        let mut lines = vec![Line::plain(figure.clone(), 0, numbered(&|gate| gate.value))];
        let lowest = ("lowest allowed", numbered(&|gate| gate.at_least));
        let highest = ("highest allowed", numbered(&|gate| gate.at_most));
        for (name, points) in [lowest, highest] {
            if !points.is_empty() {
                lines.push(Line { dashed: true, ..Line::plain(name.into(), 1, points) });
            }
        }
        let title = format!("{experiment}: {figure}");
        let description = format!("{title} in {} runs, oldest first; bounds are dashed.", of.len());
        let chart = Chart {
            description: &description,
            x_label: "Run, oldest first",
            y_label: &figure,
            whole_x: true,
            y_ends: None,
            lines,
        };
        let points = of.iter().map(|(record, gate)| Judged {
            finished: short_date(record.provenance.finished.as_deref().unwrap_or_default()),
            commit: record
                .provenance
                .git
                .as_ref()
                .map(|git| git.commit.clone())
                .unwrap_or_default(),
            value: gate.value,
            held: gate.held,
        });
        Ok(History {
            experiment: experiment.to_owned(),
            points: points.collect(),
            curve: Curve::new(title.clone(), figure.clone(), &chart)?,
        })
    };
    judged.into_iter().map(history).collect()
}
