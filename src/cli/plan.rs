//! `oncospec plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::device::for_training;
use crate::error::{Error, Result};
use crate::model;
use crate::plan::{Depth, Estimate, Extent, describe, survey};
use crate::run::{initial_net, objective};
use crate::train::{Inputs, measure};

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
    let device = for_training(&chosen.device, spec.schedule.activation_checkpointing);
    let (net, weights) = initial_net(&plan.decisions, &device)?;
    let side = spec.dataset.image_size as usize;
    let shape = [spec.input_channels(), side, side];
    let inputs = Inputs::zeros(shape, [plan.decisions.labels.side(side); 2], &device);
    let objective = objective(&plan.decisions)?;
    let measured = measure(net, objective, &spec.schedule, inputs, &device)?;
    let estimate = Estimate::new(&plan, measured);
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
