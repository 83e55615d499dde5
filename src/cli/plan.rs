//! `oncospec plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::device::Chosen;
use crate::error::Result;
use crate::model::{self, WeightsReport};
use crate::plan::{Depth, Estimate, Extent, Plan, describe, survey};
use crate::run::{one_step, plans_of_guide, with_true_masks};
use crate::train::Measured;

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
    let chosen = args.overrides.device(&checked.loaded.spec, output)?;
    let family = chosen.kind.family();
    let guides = plans_of_guide(&checked, family)?;
    let (checked, extent) = match guides.is_empty() {
        true => (checked, Extent::All),
        // Nothing is named by masks that are not predicted yet.
        false => (with_true_masks(&checked), Extent::Training),
    };
    let plan = checked.plan(&survey(&checked, extent)?, checked.loaded.spec.seeds[0], family)?;
    let measured = one_step(&plan, &chosen)?;
    // Those of a guide differ in their cases alone.
    let of_guide = guides.first().map(|guide| one_step(guide, &chosen)).transpose()?;
    if output.json {
        let mut shown = as_json(&plan, &measured, &chosen);
        if let Some(of_guide) = &of_guide {
            shown["run"] = Value::Null;
            for id in ["run-id", "training-id", "data-fingerprint"] {
                shown["decisions"][id] = Value::Null;
            }
            shown["guides"] =
                guides.iter().map(|guide| as_json(guide, of_guide, &chosen)).collect();
        }
        return print(&pretty(&shown)?);
    }
    let mut text = String::new();
    if let (Some(first), Some(of_guide)) = (guides.first(), &of_guide) {
        text += &format!("# Networks whose masks guide {}\n\n", plan.decisions.spec.name);
        for guide in &guides {
            let [train, valid, _] = guide.decisions.cases;
            let folder = guide.folder();
            text += &format!(
                "{}  trained on {train} cases, {valid} choose the epoch\n",
                folder.display()
            );
        }
        text += &format!("\nThe first of them:\n\n{}\n", in_words(first, of_guide, &chosen));
    }
    print(&(text + &in_words(&plan, &measured, &chosen)))
}

/// Reports on the weights that a network starts from, and what a step of it takes.
type OneStep = (Vec<WeightsReport>, Measured);

fn in_words(plan: &Plan, (weights, measured): &OneStep, chosen: &Chosen) -> String {
    describe(plan, weights, &Estimate::new(plan, *measured), &chosen.kind.to_string())
}

fn as_json(plan: &Plan, (weights, measured): &OneStep, chosen: &Chosen) -> Value {
    json!({
        "run": plan.folder(),
        "decisions": plan.decisions,
        "notes": plan.notes,
        "findings": plan.findings,
        "balance": plan.balance,
        "layers": plan.layers,
        "places": model::places(&plan.decisions.spec.model),
        "weights": weights,
        "estimate": Estimate::new(plan, *measured),
        "device": chosen.kind.to_string(),
    })
}
