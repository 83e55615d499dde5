//! `oncospec plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::error::{Error, Result};
use crate::model;
use crate::plan::{Depth, Extent, describe, survey};
use crate::run::estimate;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Spec file.
    #[arg(value_name = "SPEC")]
    path: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

/// Shows every decision; nothing is trained or written.
pub(super) fn execute(args: PlanArgs, output: Output) -> Result<u8> {
    let checked = args.overrides.check(&args.path, Depth::Pixels, output)?;
    let spec = &checked.loaded.spec;
    let chosen = args.overrides.device(spec, output)?;
    if let Some(guide) = &checked.guide {
        return Err(Error::user(format!(
            "{} is guided by {}, whose masks `oncospec run` makes first; `oncospec plan` shows that one",
            spec.name,
            guide.loaded.path.display()
        )));
    }
    let survey = survey(&checked, Extent::All)?;
    let plan = checked.plan(&survey, spec.seeds[0], chosen.kind.family())?;
    let (weights, estimate) = estimate(&plan, &chosen)?;
    if output.json {
        return print(&pretty(&json!({
            "run": plan.folder(),
            "decisions": plan.decisions,
            "notes": plan.notes,
            "findings": plan.findings,
            "balance": plan.balance,
            "layers": plan.layers,
            "places": model::places(&spec.model),
            "weights": weights,
            "estimate": estimate,
            "device": chosen.kind.to_string(),
        }))?);
    }
    print(&describe(&plan, &weights, &estimate, &chosen.kind.to_string()))
}
