//! What a run will cost, before it trains.

use super::net::{initial_net, objective};
use crate::data::fused_numbers;
use crate::device::{Chosen, Family, for_training};
use crate::error::Result;
use crate::model::WeightsReport;
use crate::plan::Plan;
use crate::train::{Inputs, Measured, measure};

/// Makes the network of a plan and a step on one empty image: which weights it starts from, and what the step takes.
///
/// # Errors
/// If weights cannot be read, or a step fails.
pub fn one_step(plan: &Plan, chosen: &Chosen) -> Result<(Vec<WeightsReport>, Measured)> {
    let spec = &plan.decisions.spec;
    let device = for_training(&chosen.device, spec.schedule.activation_checkpointing);
    let (net, weights) = initial_net(&plan.decisions, &device)?;
    let sides = spec.dataset.frame().sides();
    let shape = [spec.input_channels(), sides[0], sides[1]];
    let numbers = fused_numbers(&plan.decisions.fused);
    let inputs = Inputs::zeros(shape, plan.decisions.labels.sides(sides), numbers, &device);
    let objective = objective(&plan.decisions)?;
    let mut measured = measure(net, objective, &spec.schedule, inputs, &device)?;
    if chosen.kind.family() != Family::Cpu {
        // What was measured is the process's own.
        measured.memory_bytes = 0;
    }
    Ok((weights, measured))
}
