//! All numbers of a page as one JSON value, for programs that read it.

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::folds::Folds;
use super::words;
use crate::record::{Figure, Record};

/// The version of its layout.
const VERSION: u32 = 1;

/// Runs with their figures, epochs and gates, figures over folds, and differences; as JSON for a data block of the page.
pub(super) fn numbers(
    records: &[Record],
    labels: &[String],
    folds: &[Folds],
    comparisons: &[Comparison],
) -> String {
    let run = |(record, label): (&Record, &String)| {
        let made = &record.provenance;
        json!({
            "label": label,
            "experiment": record.summary.experiment,
            "run-id": made.run_id,
            "seed": made.seed,
            "state": record.status.state.to_string(),
            "model": record.summary.model,
            "dataset": record.summary.dataset,
            "data-fingerprint": made.data_fingerprint,
            "weights-sha256": made.weights_sha256,
            "engine": made.engine,
            "figures": record.figures.iter().map(figure).collect::<Value>(),
            "gates": record.gates,
            "epochs": record.epochs,
        })
    };
    let folds = folds.iter().map(|one| {
        json!({
            "label": one.label,
            "folds": one.folds,
            "repeats": one.repeats,
            "figures": one.figures.iter().map(figure).collect::<Value>(),
            "gates": one.gates,
        })
    });
    words::json_in_html(&json!({
        "version": VERSION,
        "runs": records.iter().zip(labels).map(run).collect::<Value>(),
        "folds": folds.collect::<Value>(),
        "differences": comparisons,
    }))
}

/// A figure; what is not finite is null.
fn figure(figure: &Figure) -> Value {
    let interval = figure.interval.map(|interval| json!([interval.low, interval.high]));
    json!({
        "name": figure.full_name().to_string(),
        "value": figure.value.is_finite().then_some(figure.value),
        "interval": interval,
        "n": figure.n,
        "groups": figure.groups,
        "left-out": figure.left_out,
    })
}
