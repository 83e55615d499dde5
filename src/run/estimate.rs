//! What a run will cost, before it trains.

use super::net::{initial_net, objective};
use crate::data::fused_numbers;
use crate::device::{Chosen, for_training};
use crate::error::Result;
use crate::model::WeightsReport;
use crate::plan::{Estimate, Plan};
use crate::train::{Inputs, measure};

/// Makes the network of a plan and times steps on empty images: which weights it starts from, and what training takes.
///
/// # Errors
/// If weights cannot be read, or a step fails.
pub fn estimate(plan: &Plan, chosen: &Chosen) -> Result<(Vec<WeightsReport>, Estimate)> {
    let spec = &plan.decisions.spec;
    let device = for_training(&chosen.device, spec.schedule.activation_checkpointing);
    let (net, weights) = initial_net(&plan.decisions, &device)?;
    let side = spec.dataset.image_size as usize;
    let shape = [spec.input_channels(), side, side];
    let numbers = fused_numbers(&plan.decisions.fused);
    let inputs = Inputs::zeros(shape, [plan.decisions.labels.side(side); 2], numbers, &device);
    let objective = objective(&plan.decisions)?;
    let measured = measure(net, objective, &spec.schedule, inputs, &device)?;
    Ok((weights, Estimate::new(plan, measured)))
}
