//! `oncospec check`.

use clap::Args;
use serde_json::json;

use super::spec::Specs;
use super::{Output, pretty, print};
use crate::error::Result;
use crate::plan::{Checked, Depth};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    specs: Specs,
}

/// Checks specs and prints the numbers of their cases.
pub(super) fn execute(args: CheckArgs, output: Output) -> Result<u8> {
    let checked = args.specs.check(Depth::Headers, output)?;
    for one in &checked {
        output.say(said(one));
    }
    if output.json {
        let all: Vec<_> = checked
            .iter()
            .map(|one| {
                json!({
                    "spec": one.loaded.path,
                    "name": one.loaded.spec.name,
                    "member": one.loaded.member(),
                    "trials": one.trials.len(),
                    "ensemble": one.loaded.spec.evaluation.ensemble,
                    "train": one.split.train.len(),
                    "valid": one.split.valid.len(),
                    "test": one.split.test.len(),
                    "notes": one.loaded.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "findings": one.findings,
                })
            })
            .collect();
        print(&pretty(&all)?)?;
    }
    Ok(0)
}

fn said(checked: &Checked) -> String {
    let split = &checked.split;
    let member = checked.loaded.member().map(|name| format!(", {name}")).unwrap_or_default();
    let trials = match checked.trials.len() {
        0 => String::new(),
        count => format!("; {count} trials"),
    };
    let average = match checked.loaded.spec.evaluation.ensemble {
        true => format!("; the average of {} seeds", checked.loaded.spec.seeds.len()),
        false => String::new(),
    };
    format!(
        "{}{member}: ok: {} training, {} validation and {} test cases{trials}{average}",
        checked.loaded.path.display(),
        split.train.len(),
        split.valid.len(),
        split.test.len()
    )
}
