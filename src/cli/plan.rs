//! `oncospec plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::device::Chosen;
use crate::error::Result;
use crate::model;
use crate::plan::{Depth, Extent, Plan, describe, survey};
use crate::run::{estimate, plans_of_guide, with_true_masks};

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
    if output.json {
        let mut shown = as_json(&plan, &chosen)?;
        if !guides.is_empty() {
            shown["run"] = Value::Null;
            for id in ["run-id", "training-id", "data-fingerprint"] {
                shown["decisions"][id] = Value::Null;
            }
            let guides = guides.iter().map(|guide| as_json(guide, &chosen));
            shown["guides"] = guides.collect::<Result<_>>()?;
        }
        return print(&pretty(&shown)?);
    }
    let mut text = String::new();
    if let Some(first) = guides.first() {
        text += &format!("# Networks whose masks guide {}\n\n", plan.decisions.spec.name);
        for guide in &guides {
            let [train, valid, _] = guide.decisions.cases;
            let folder = guide.folder();
            text += &format!(
                "{}  trained on {train} cases, {valid} choose the epoch\n",
                folder.display()
            );
        }
        text += &format!("\nThe first of them:\n\n{}\n", in_words(first, &chosen)?);
    }
    print(&(text + &in_words(&plan, &chosen)?))
}

fn in_words(plan: &Plan, chosen: &Chosen) -> Result<String> {
    let (weights, estimate) = estimate(plan, chosen)?;
    Ok(describe(plan, &weights, &estimate, &chosen.kind.to_string()))
}

fn as_json(plan: &Plan, chosen: &Chosen) -> Result<Value> {
    let (weights, estimate) = estimate(plan, chosen)?;
    Ok(json!({
        "run": plan.folder(),
        "decisions": plan.decisions,
        "notes": plan.notes,
        "findings": plan.findings,
        "balance": plan.balance,
        "layers": plan.layers,
        "places": model::places(&plan.decisions.spec.model),
        "weights": weights,
        "estimate": estimate,
        "device": chosen.kind.to_string(),
    }))
}
