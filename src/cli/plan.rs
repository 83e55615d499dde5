//! `oncospec plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::device::{Chosen, Kind};
use crate::error::Result;
use crate::memory;
use crate::model::{self, WeightsReport};
use crate::plan::{Checked, Depth, Estimate, Extent, Plan, describe, survey};
use crate::record::in_a_line;
use crate::run::{one_step, plans_of_guide, with_true_masks};
use crate::split_name::SplitName;
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
    let all = args.overrides.check(&args.path, Depth::Pixels, output)?;
    let checked = all[0].clone();
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
        shown["folds"] = all.iter().filter_map(|one| one.loaded.member()).collect();
        shown["trials"] = checked.trials.iter().map(|trial| json!(trial.keys)).collect();
        return print(&pretty(&shown)?);
    }
    let mut text = members(&all);
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

/// The folds, trials and averages that a spec declares; nothing where it declares one run.
fn members(all: &[Checked]) -> String {
    let mut text = String::new();
    let name = &all[0].loaded.spec.name;
    if all.len() > 1 {
        text += &format!("# Folds of {name}\n\n");
        for one in all {
            let [train, valid, test] = SplitName::ALL.map(|part| one.split.part(part).len());
            let fold = one.loaded.member().unwrap_or_default();
            text +=
                &format!("{fold}: {train} training, {valid} validation and {test} test cases\n");
        }
        text += "\n";
    }
    if !all[0].trials.is_empty() {
        let each = if all.len() > 1 { ", for each fold" } else { "" };
        text += &format!("# Trials of {name}{each}\n\n");
        for trial in &all[0].trials {
            text += &format!("{}: {}\n", trial.number, in_a_line(&trial.keys));
        }
        text += "\n";
    }
    let spec = &all[0].loaded.spec;
    if spec.evaluation.ensemble {
        let each = if all.len() > 1 { " of each fold" } else { "" };
        let seeds = spec.seeds.len();
        text += &format!("# Average of {name}\n\nthe probabilities of the {seeds} seeds{each}\n\n");
    }
    if text.is_empty() {
        text
    } else {
        text + "The first run, with the keys of the spec itself:\n\n"
    }
}

fn in_words(plan: &Plan, (weights, measured): &OneStep, chosen: &Chosen) -> String {
    let estimate = Estimate::new(plan, *measured);
    let text = describe(plan, weights, &estimate, &chosen.kind.to_string());
    match jobs(&estimate, chosen) {
        Some(jobs) => {
            format!("{text}jobs    free memory holds about {jobs} such batches: run --jobs\n")
        }
        None => text,
    }
}

/// How many runs the free memory holds at once, beside their images; `None` where it is not known.
fn jobs(estimate: &Estimate, chosen: &Chosen) -> Option<u64> {
    let on_cpu = chosen.kind == Kind::Cpu && estimate.memory_bytes > 0;
    let available = memory::available().filter(|_| on_cpu)?;
    Some((available / estimate.memory_bytes).max(1))
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
