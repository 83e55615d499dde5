//! The initial network of a run, and its best one.

use std::path::Path;

use burn::tensor::Device;

use crate::device::{Chosen, on_device};
use crate::error::Result;
use crate::evaluate::Predictor;
use crate::loss::{self, MultiTask};
use crate::model::{self, Model, WeightsReport, WeightsSpec, size_divisor};
use crate::plan::{Decisions, weights};
use crate::record::RunDir;
use crate::spec::{MultiTaskSpec, Settled};
use crate::train::Objective;

/// The initial network, drawn from the seed, with the weights of files, and a report on each file. Parameters that stay
/// frozen are frozen; those that are frozen until an epoch are not.
///
/// # Errors
/// If a file of weights does not fit.
pub fn initial_net(decisions: &Decisions, device: &Device) -> Result<(Model, Vec<WeightsReport>)> {
    on_device(|| "making the network".into(), || made(decisions, device))?
}

fn made(decisions: &Decisions, device: &Device) -> Result<(Model, Vec<WeightsReport>)> {
    let spec = &decisions.spec;
    device.seed(u64::from(decisions.seed));
    let mut net = Model::init(&spec.model, channels(decisions), decisions.second_head(), device)
        .fusing(decisions.fusion(), device);
    let mut reports = Vec::new();
    for (file, part) in weights(&spec.model) {
        let (filled, report) = model::load_weights(net, file, part)?;
        net = filled;
        reports.push(report);
    }
    let net = match spec.schedule.unfreeze_epoch {
        None => net.freeze(&spec.model),
        Some(_) => net,
    };
    Ok((net, reports))
}

/// Channels of images and logits.
fn channels(decisions: &Decisions) -> [usize; 2] {
    [decisions.spec.input_channels(), decisions.labels.channels()]
}

/// The loss that the training of a plan minimises.
///
/// # Errors
/// If a loss does not fit the classes.
pub fn objective(decisions: &Decisions) -> Result<Objective> {
    let spec = &decisions.spec;
    let second = spec.task.second_head();
    Ok(Objective {
        loss: loss::init(&spec.loss, decisions.outputs(), &decisions.class_pixels)?,
        multi_task: second.map(|head| multi_task(head, &decisions.class_images)).transpose()?,
    })
}

fn multi_task(head: &MultiTaskSpec, class_images: &[u64]) -> Result<MultiTask> {
    let weights = [head.segmentation_weight, head.classification_weight];
    MultiTask::new(weights, &head.classification_loss, class_images)
}

/// The best weights of a run, ready to predict in steps that are settled.
///
/// # Errors
/// If the run has none, or they do not fit.
pub fn predictor(
    run: &Path,
    decisions: &Decisions,
    settled: Settled,
    chosen: &Chosen,
) -> Result<Predictor> {
    let path = RunDir::open_read(run)?.best_weights()?.path;
    let spec = &decisions.spec;
    let head = decisions.second_head();
    let model = Model::outline(&spec.model, channels(decisions), head, &chosen.device)
        .fusing(decisions.fusion(), &chosen.device);
    let file = WeightsSpec::at(&path);
    let (model, _) = model::load_weights(model, &file, model::Part::Whole)?;
    Ok(Predictor {
        model,
        outputs: decisions.outputs(),
        preprocess: decisions.preprocess(),
        settled,
        others: Vec::new(),
        size_divisor: size_divisor(&spec.model) as usize,
        windows: decisions.windows(),
        batch_size: spec.schedule.batch_size as usize,
        device: chosen.device.clone(),
    })
}
