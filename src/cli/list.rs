//! `oncospec list`.

use std::path::PathBuf;

use clap::Args;

use super::{Output, pretty, print};
use crate::error::Result;
use crate::record::{RunSummary, list_experiment, list_runs};
use crate::report::left_out;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Folder of the run directories, or of those of one experiment.
    #[arg(default_value = "runs", value_name = "DIR")]
    root: PathBuf,
}

/// Lists runs with how far they came and their first headline figure.
pub(super) fn execute(args: ListArgs, output: Output) -> Result<u8> {
    let mut runs = list_experiment(&args.root)?;
    runs.extend(list_runs(&args.root)?);
    if output.json {
        return print(&pretty(&runs)?);
    }
    if runs.is_empty() {
        output.say(format!("{}: no runs", args.root.display()));
        return Ok(0);
    }
    let mut text = format!(
        "{:32} {:19} {:>5} {:11} {:>9} {:20}  {}\n",
        "experiment", "run", "seed", "state", "epochs", "started", "figure"
    );
    for run in &runs {
        text.push_str(&row(run));
        text.push('\n');
    }
    print(&text)
}

fn row(run: &RunSummary) -> String {
    let figure = match (&run.problem, run.headline.first()) {
        (Some(problem), _) => problem.lines().next().unwrap_or_default().to_string(),
        (None, Some(figure)) => {
            format!("{} {:.4}{}", figure.full_name(), figure.value, left_out(figure))
        }
        (None, None) => String::new(),
    };
    let again = run.again.as_ref().map(|status| {
        let (epoch, epochs) = (status.epoch, status.epochs);
        format!("  (made again: {}, {epoch}/{epochs} epochs)", status.state)
    });
    let again = again.unwrap_or_default();
    let fallen = match run.fallen.len() {
        0 => String::new(),
        count => format!(", {count} gate(s) fell"),
    };
    let parent = match &run.parent {
        Some(parent) => format!(", goes on from {} ({} epochs)", parent.training_id, parent.epochs),
        None => String::new(),
    };
    let status = &run.status;
    let is_average = run.position.as_ref().is_some_and(|position| !position.average.is_empty());
    let (seed, epochs) = match is_average {
        true => ("mean".into(), "-".into()),
        false => (run.seed.to_string(), format!("{}/{}", status.epoch, status.epochs)),
    };
    format!(
        "{:32} {:19} {seed:>5} {:11} {epochs:>9} {:20}  {figure}{fallen}{parent}{again}",
        run.experiment,
        run.run_id,
        status.state.to_string(),
        run.started
    )
}
