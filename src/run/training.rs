//! From a plan to what is trained.

use std::sync::Arc;

use burn::tensor::Device;

use super::net::{initial_net, objective};
use crate::data::{Cache, Loader};
use crate::device::{Chosen, for_training};
use crate::error::Result;
use crate::evaluate::Names;
use crate::plan::Plan;
use crate::spec::Spec;
use crate::train::{Resting, Training};

/// The stages that are frozen until an epoch.
fn resting(spec: &Spec) -> Option<Resting> {
    let until = spec.schedule.unfreeze_epoch?;
    Some(Resting { model: spec.model.clone(), until })
}

/// What a plan trains, on devices.
///
/// # Errors
/// If a file of weights does not fit, or the spec of a loss does not.
pub(super) fn training(plan: &Plan, chosen: &Chosen) -> Result<Training> {
    let decisions = &plan.decisions;
    let spec = &decisions.spec;
    let checkpointing = spec.schedule.activation_checkpointing;
    let devices: Vec<Device> =
        chosen.devices().iter().map(|device| for_training(device, checkpointing)).collect();
    let cache = Arc::new(Cache::new(spec.dataset.cache_bytes()));
    let loader = |cases: &[usize], augment| {
        Loader::new(
            Arc::clone(&plan.dataset),
            cases.to_vec(),
            decisions.preprocess(),
            augment,
            spec.schedule.batch_size as usize / devices.len(),
            spec.run.threads(),
            Arc::clone(&cache),
        )
    };
    let train = loader(&plan.split.train, Some(spec.augment.clone()));
    let train = train.sampler(spec.schedule.sampler);
    Ok(Training {
        net: initial_net(decisions, &devices[0])?.0,
        resting: resting(spec),
        objective: objective(decisions)?,
        schedule: spec.schedule.clone(),
        outputs: decisions.outputs(),
        names: Names {
            cases: plan.dataset.cases.iter().map(|case| case.id.clone()).collect(),
            classes: decisions.labels.names(),
            image_classes: decisions.image_classes.clone(),
        },
        empty: spec.evaluation.empty,
        seed: decisions.seed,
        train: if spec.schedule.drop_last { train.drop_last() } else { train },
        checkpoint_every: spec.run.checkpoint_every,
        pause_after: None,
        valid: loader(plan.split.part(spec.schedule.choose_on.split()), None).windows(),
        devices,
    })
}
