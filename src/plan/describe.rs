//! A plan in words, for `oncospec plan`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Plan;
use crate::data::{Crop, group_key};
use crate::model::{self, WeightsReport};
use crate::spec::{Precision, Sampler};
use crate::split_name::SplitName;
use crate::train::Measured;

/// What the whole run will cost, from one real step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    /// One training step on one case, in seconds.
    pub case_step_s: f64,
    /// One epoch with validation, in seconds.
    pub epoch_s: f64,
    /// All epochs, in seconds.
    pub run_s: f64,
    /// Peak memory of training one batch on the CPU, in bytes; 0 where the system does not say.
    pub memory_bytes: u64,
}

impl Estimate {
    /// Scales a measured step up: validation of a case, or of a window of one, is counted at a third of a training step, and
    /// memory grows with the batch.
    pub fn new(plan: &Plan, measured: Measured) -> Self {
        let schedule = &plan.decisions.spec.schedule;
        let train = plan.decisions.cases[0];
        let crop = Crop::new(&plan.decisions.spec.dataset);
        let seen = |&case: &usize| {
            let case = &plan.dataset.cases[case];
            crop.map_or(1, |crop| crop.count((case.width, case.height)))
        };
        let chooses = plan.split.part(schedule.choose_on.split());
        let valid: usize = chooses.iter().map(seen).sum();
        let epoch_s = measured.step_s * (train as f64 + valid as f64 / 3.0);
        Self {
            case_step_s: measured.step_s,
            epoch_s,
            run_s: epoch_s * f64::from(schedule.epochs),
            memory_bytes: measured.memory_bytes * u64::from(schedule.batch_size),
        }
    }
}

/// The plan in words: spec with origins, data, layers, weights to start from and cost.
pub fn describe(
    plan: &Plan,
    weights: &[WeightsReport],
    estimate: &Estimate,
    device: &str,
) -> String {
    let mut out = String::new();
    let decisions = &plan.decisions;
    let line = |out: &mut String, text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(&mut out, format!("# {} (seed {})", decisions.spec.name, decisions.seed));
    if decisions.data_fingerprint.is_empty() {
        line(&mut out, "run     named once the masks of its guide are predicted".into());
    } else {
        line(&mut out, format!("run     {}", plan.folder().display()));
        line(&mut out, format!("data    {}", decisions.data_fingerprint));
    }
    let precision = decisions.spec.schedule.precision.map_or("f32", Precision::name);
    line(&mut out, format!("device  {device}, products in {precision}\n\n# Spec\n"));
    line(&mut out, plan.spec_text.trim_end().to_string());
    line(&mut out, "\n# Data\n".into());
    data(&mut out, plan);
    line(&mut out, "\n# Layers\n".into());
    layers(&mut out, plan);
    let places = model::places(&decisions.spec.model);
    line(&mut out, format!("\n`cam` and the film can look at {}", places.join(", ")));
    let gates = model::gates(&decisions.spec.model);
    if !gates.is_empty() {
        line(&mut out, format!("with the method `gate` at {}", gates.join(", ")));
    }
    if !weights.is_empty() {
        line(&mut out, "\n# Weights to start from\n".into());
    }
    for report in weights {
        line(&mut out, report.to_string());
    }
    line(&mut out, "\n# Cost, from one measured training step on one case\n".into());
    line(&mut out, format!("step    {:.3} s a case", estimate.case_step_s));
    line(&mut out, format!("epoch   {}", duration(estimate.epoch_s)));
    line(&mut out, format!("run     {}", duration(estimate.run_s)));
    if estimate.memory_bytes > 0 {
        let mib = estimate.memory_bytes >> 20;
        line(&mut out, format!("memory  about {mib} MiB for a batch, beside the images"));
    }
    out
}

fn data(out: &mut String, plan: &Plan) {
    for part in SplitName::ALL {
        let cases = plan.split.part(part);
        let mut labels: Vec<(&str, usize)> = Vec::new();
        for &case in cases {
            let label = plan.dataset.cases[case].label.as_str();
            match labels.iter_mut().find(|(name, _)| *name == label) {
                Some((_, count)) => *count += 1,
                None => labels.push((label, 1)),
            }
        }
        labels.sort();
        let labels: Vec<String> = labels
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let _ = writeln!(out, "{:7} {:5} cases  {}", part.as_str(), cases.len(), labels.join(", "));
    }
    let key = group_key(&plan.decisions.spec.dataset.split, &plan.dataset);
    let _ = writeln!(out, "groups  by {}", key.as_str());
    if plan.decisions.spec.schedule.sampler == Sampler::Balanced {
        let labels: BTreeSet<&str> =
            plan.split.train.iter().map(|&case| plan.dataset.cases[case].label.as_str()).collect();
        let (cases, count) = (plan.split.train.len(), labels.len());
        let each = cases as f64 / count.max(1) as f64;
        let _ = writeln!(
            out,
            "sampler draws {cases} training cases an epoch, {each:.1} of each of {count} labels"
        );
    }
    if let Some(stain) = &plan.decisions.stain {
        let numbers = |values: &[f64]| {
            values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ")
        };
        let _ = writeln!(
            out,
            "stains  become haematoxylin {} and eosin {}, strong ones {}",
            numbers(&stain.haematoxylin),
            numbers(&stain.eosin),
            numbers(&stain.concentrations)
        );
    }
    for finding in plan.findings.iter().filter(|finding| finding.kind.is_leak()) {
        let _ = writeln!(out, "leak    {}", finding.line());
    }
    let _ = writeln!(
        out,
        "\n{:7} {:22} {:>7} {:>13} {:>7}",
        "split",
        "class",
        "cases",
        if plan.decisions.spec.task.classifies() { "images" } else { "pixels" },
        "part"
    );
    for share in &plan.balance {
        let of_split = plan.balance.iter().filter(|other| other.split == share.split);
        let total: u64 = of_split.map(|other| other.pixels).sum();
        let part = 100.0 * share.pixels as f64 / total.max(1) as f64;
        let _ = writeln!(
            out,
            "{:7} {:22} {:>7} {:>13} {part:>6.2}%",
            share.split, share.class, share.cases, share.pixels
        );
    }
}

fn layers(out: &mut String, plan: &Plan) {
    let shape = |shape: &[usize]| {
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        sides.join("x")
    };
    let _ = writeln!(
        out,
        "{:42} {:26} {:>20} {:>20} {:>11} {:>6} {:>16}",
        "layer", "kind", "input", "output", "parameters", "trains", "multiply-adds"
    );
    for layer in &plan.layers {
        let trains = if layer.parameters == 0 {
            ""
        } else if layer.trainable {
            "yes"
        } else {
            "no"
        };
        let _ = writeln!(
            out,
            "{:42} {:26} {:>20} {:>20} {:>11} {:>6} {:>16}",
            layer.name,
            layer.kind,
            shape(&layer.input),
            shape(&layer.output),
            layer.parameters,
            trains,
            layer.multiply_adds
        );
    }
    let decisions = &plan.decisions;
    let batch = decisions.spec.schedule.batch_size;
    let _ = writeln!(out, "\nparameters     {}", grouped(decisions.parameters));
    let _ = writeln!(out, "trainable      {}", grouped(decisions.trainable));
    let fixed = decisions.parameters - decisions.trainable;
    let _ = writeln!(out, "non-trainable  {}", grouped(fixed));
    let giga = decisions.multiply_adds as f64 / 1e9;
    let schedule = &decisions.spec.schedule;
    if let Some(epoch) = schedule.unfreeze_epoch {
        let _ = writeln!(out, "               trained as well from epoch {epoch} on");
    }
    for rate in &schedule.layer_rates {
        let name = format!("rate x {}", rate.factor);
        let _ = writeln!(out, "{name:14} {}", rate.layers);
    }
    let _ = writeln!(out, "multiply-adds  {giga:.2} G for a batch of {batch}");
    let _ = writeln!(out, "weights        {:.2} MB", decisions.parameters as f64 * 4e-6);
}

/// A number with its thousands apart, as `24,439,269`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("about {s:.0} s"),
        s if s < 7200.0 => format!("about {:.0} min", s / 60.0),
        s => format!("about {:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(24_439_269), "24,439,269");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
    }

    #[test]
    fn durations_are_said_in_a_fitting_unit() {
        assert_eq!(duration(59.6), "about 60 s");
        assert_eq!(duration(600.0), "about 10 min");
        assert_eq!(duration(9000.0), "about 2.5 h");
    }
}
