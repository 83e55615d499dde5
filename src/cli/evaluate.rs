//! `oncospec evaluate`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::runs::TrainedArgs;
use super::spec::report_findings;
use super::{Output, command_line, pretty, print};
use crate::error::{Error, Result};
use crate::evaluate::describe_steps;
use crate::inference::{Scored, Scoring};
use crate::record::{Figure, Stratum};
use crate::report::left_out;
use crate::shell::shell;
use crate::split_name::SplitName;
use crate::text;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Score on the data in this folder, of the run's kind: on all labelled cases, or, with --split, on those that the
    /// run recorded for that split.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Score on this split of the run, as it was recorded; by default valid.
    #[arg(long)]
    split: Option<SplitName>,
    /// Continue although images or masks differ from those that the run recorded.
    #[arg(long)]
    changed_data: bool,
}

impl ValueEnum for SplitName {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// Scores the best weights of a run. A reading of its own test split is counted in the experiment's ledger.
pub(super) fn execute(args: EvaluateArgs, output: Output) -> Result<u8> {
    let trained = args.trained.open_all()?;
    let mut scoring = Scoring::open(&trained, args.data.as_deref(), args.split)?;
    report_findings(&scoring.dataset.findings, &scoring.spec.name, output);
    if let Some(warning) = scoring.compare(args.changed_data)? {
        crate::progress::print(&format!("warning: {warning}"));
    }
    scoring.note_reading(shell(&command_line()))?;
    let ((figures, strata), scored) = (scoring.figures()?, scoring.scored);
    if output.json {
        return print(&pretty(&of(scored, &figures, &strata)?)?);
    }
    let settled = &trained.predictor.settled;
    let refined = match trained.predictor.others.is_empty() {
        true => describe_steps(settled),
        false => describe_steps(&settled.of_average()),
    };
    let averaged = match trained.runs().len() {
        1 => String::new(),
        runs => format!(", the mean of {runs} runs"),
    };
    let place = match (&args.data, scored) {
        (Some(folder), Scored::Other) => folder.display().to_string(),
        (Some(folder), Scored::Recorded(split)) => {
            format!("the {split} split, read from {}", folder.display())
        }
        (None, _) => format!("the {} split", scored.as_str()),
    };
    let text = table(&figures, &scoring.counted()?, &(place + &averaged), refined.as_deref());
    print(&(text + &by_column(&strata)))
}

/// Figures for programs, with the name of what was scored in place of a split's; those of a stratum, which come last, say
/// by `by` which.
fn of(scored: Scored, figures: &[Figure], strata: &[Stratum]) -> Result<Vec<Value>> {
    let value = |figure: &Figure| {
        let mut value = serde_json::to_value(figure)?;
        value["split"] = scored.as_str().into();
        Ok(value)
    };
    let of_stratum = |stratum: &Stratum| {
        let by =
            json!({ "column": stratum.column, "value": stratum.value, "cases": stratum.cases });
        let with = |figure: &Figure| {
            let mut value = value(figure)?;
            value["by"] = by.clone();
            Ok(value)
        };
        stratum.figures.iter().map(with).collect::<Vec<serde_json::Result<Value>>>()
    };
    let values = figures.iter().map(value).chain(strata.iter().flat_map(of_stratum));
    let values: serde_json::Result<_> = values.collect();
    values.map_err(|error| Error::failed(format!("cannot be written as JSON: {error}")))
}

fn table(figures: &[Figure], cases: &str, place: &str, refined: Option<&str>) -> String {
    let refined = refined.map(|how| format!(", probabilities {how}")).unwrap_or_default();
    let mut text = format!("{cases} of {place}{refined}\n");
    figures.iter().for_each(|figure| text.push_str(&line(figure)));
    text
}

/// The figures of strata.
fn by_column(strata: &[Stratum]) -> String {
    let mut printed = String::new();
    for stratum in strata {
        let (column, cases) = (text::lines(&stratum.column), stratum.cases);
        let value = match &stratum.value {
            Some(value) => text::lines(value),
            None => "(missing)".into(),
        };
        printed.push_str(&format!("\nby {column}: {value}, {cases} cases\n"));
        stratum.figures.iter().for_each(|figure| printed.push_str(&line(figure)));
    }
    printed
}

/// A figure with its interval.
fn line(figure: &Figure) -> String {
    let interval = figure
        .interval
        .map(|interval| format!("  [{:.4}, {:.4}]", interval.low, interval.high))
        .unwrap_or_default();
    let (name, value, n) = (&figure.name, figure.value, figure.n);
    let left_out = left_out(figure);
    format!("{name:32} {value:9.4}  n = {n}{left_out}{interval}\n")
}
