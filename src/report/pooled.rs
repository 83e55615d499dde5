//! Figures over the test cases of all folds, and their gates, for the page and a terminal.

use serde::Serialize;

use super::folds::{Folds, unjudged};
use super::gates::{GateView, fallen};
use super::headline::with_interval;
use crate::record::{Figure, Record};

/// All figures over the test cases of all folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PooledFigures<'a> {
    label: &'a str,
    figures: &'a [Figure],
    gates: Vec<GateView<'a>>,
}

/// The figures of each experiment of folds.
pub(super) fn pooled(folds: &[Folds]) -> Vec<PooledFigures<'_>> {
    folds
        .iter()
        .map(|Folds { label, figures, gates, .. }| PooledFigures {
            label,
            figures,
            gates: gates.iter().map(GateView::new).collect(),
        })
        .collect()
}

/// The headline figures over the test cases of all folds, and the bounds on such figures that do not hold or cannot be judged,
/// in lines for a terminal; none where there are no folds.
pub fn pooled_lines(records: &[Record], folds: &[Folds]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in folds {
        lines.push(format!("{}: each case by the run that was not trained on it", one.label));
        for name in &records[one.runs[0]].summary.headline {
            let figure = one.figure(name).map(with_interval);
            lines.extend(figure.map(|figure| format!("  {:24} {figure}", name.to_string())));
        }
        let fell = one.gates.iter().filter(|gate| !gate.held);
        lines.extend(fell.map(|gate| format!("  gate fell: {}", fallen(gate, &one.records[0]))));
    }
    let unjudged = unjudged(records, folds);
    lines.extend(unjudged.iter().map(|one| format!("{}: {}", one.experiment, one.why())));
    lines
}
