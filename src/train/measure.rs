//! The cost of training steps.

use std::time::Instant;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorReadError};

use super::clip::clip as clipped;
use super::inputs::Inputs;
use super::objective::Objective;
use super::optimizer;
use crate::device::{failed, on_device};
use crate::error::{Error, Result};
use crate::kernels::with_convolutions;
use crate::memory;
use crate::model::{Model, tensor_paths};
use crate::spec::{ClipSpec, Precision, ScheduleSpec};

/// A network in training, whose steps are timed.
pub struct Steps {
    net: Model,
    objective: Objective,
    optimizer: ModuleOptimizer,
    clip: Option<ClipSpec>,
    learning_rate: f64,
    bfloat16: bool,
    device: Device,
}

/// Seconds of a step, and its loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Logits and loss.
    pub forward_s: f64,
    /// Gradients.
    pub backward_s: f64,
    /// New weights.
    pub optimizer_s: f64,
    /// Mean loss of the batch.
    pub loss: f32,
}

impl Step {
    /// All of it.
    pub fn seconds(&self) -> f64 {
        self.forward_s + self.backward_s + self.optimizer_s
    }
}

impl Steps {
    /// Before the first step; the learning rate stays that of the optimizer.
    pub fn new(net: Model, objective: Objective, schedule: &ScheduleSpec, device: &Device) -> Self {
        let groups = optimizer::groups(schedule, &tensor_paths(&net));
        let optimizer = optimizer::init(schedule, &groups, device);
        let (learning_rate, device) = (schedule.optimizer.learning_rate(), device.clone());
        let clip = schedule.clip.clone();
        let bfloat16 = schedule.precision == Some(Precision::Bf16);
        Self { net, objective, optimizer, clip, learning_rate, bfloat16, device }
    }

    /// Makes a step.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(self, inputs: Inputs) -> Result<(Self, Step)> {
        on_device(|| "making a training step".into(), || self.stepped(inputs))?
    }

    /// Reads what depends on all weights: a device that waits has not told of work that it did not do.
    ///
    /// # Errors
    /// If a pass of a step before failed.
    pub fn check(&self) -> Result<()> {
        on_device(
            || "updating the weights".into(),
            || {
                let mut touched = Touched::default();
                self.net.visit(&mut touched);
                match touched.0 {
                    Some(sum) => match sum.try_into_scalar::<f32>() {
                        Ok(_) => Ok(()),
                        Err(error) => Err(failed("updating the weights", &error.to_string())),
                    },
                    None => Ok(()),
                }
            },
        )?
    }

    fn stepped(self, inputs: Inputs) -> Result<(Self, Step)> {
        let Self { net, objective, mut optimizer, clip, learning_rate, bfloat16, device } = self;
        let started = Instant::now();
        let run = || {
            let logits = net.heads(inputs.images, inputs.numbers);
            objective.measure(logits, inputs.labels, inputs.classes).value
        };
        let value = with_convolutions(bfloat16, run);
        let loss = value.clone().inner().try_into_scalar::<f32>().map_err(unread)?;
        let forward_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let mut gradients = GradientsParams::from_grads(value.backward(), &net);
        let backward_s = seconds_to_end(started, &device)?;
        let started = Instant::now();
        if let Some(clip) = &clip {
            gradients = clipped(clip, &net, gradients);
        }
        let net = optimizer.step(learning_rate, net, gradients);
        let optimizer_s = seconds_to_end(started, &device)?;
        let step = Step { forward_s, backward_s, optimizer_s, loss };
        let after = Self { net, objective, optimizer, clip, learning_rate, bfloat16, device };
        Ok((after, step))
    }
}

/// Adds up one number of each parameter.
#[derive(Default)]
struct Touched(Option<Tensor<1>>);

impl ModuleVisitor for Touched {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let first = param.val().inner().slice([(); D].map(|()| 0..1)).reshape([1]);
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + first,
            None => first,
        });
    }
}

/// Predicts a batch, and measures its loss, which counts for no time.
///
/// # Errors
/// If the device fails.
pub fn infer(net: &Model, objective: &Objective, inputs: Inputs) -> Result<Step> {
    on_device(|| "predicting".into(), || inferred(net, objective, inputs))?
}

fn inferred(net: &Model, objective: &Objective, inputs: Inputs) -> Result<Step> {
    let device = inputs.images.device();
    let started = Instant::now();
    let logits = net.heads(inputs.images, inputs.numbers);
    let forward_s = seconds_to_end(started, &device)?;
    let loss = objective.measure(logits, inputs.labels, inputs.classes).value;
    let loss = loss.try_into_scalar::<f32>().map_err(unread)?;
    Ok(Step { forward_s, backward_s: 0.0, optimizer_s: 0.0, loss })
}

/// What a device did not give.
fn unread(error: TensorReadError) -> Error {
    failed("computing the loss", &error.to_string())
}

/// Seconds from an instant until a device has done all that it was given.
fn seconds_to_end(started: Instant, device: &Device) -> Result<f64> {
    device.sync().map_err(|error| failed("making a step", &error.to_string()))?;
    Ok(started.elapsed().as_secs_f64())
}

/// What a training step of one case costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Forward, backward and optimizer, in seconds.
    pub step_s: f64,
    /// By how much the process's peak memory rose, in bytes; 0 where the system does not say. Of a GPU's memory it says
    /// nothing.
    pub memory_bytes: u64,
}

/// Makes one training step on one case, on a device with autodiff.
///
/// # Errors
/// If the device fails.
pub fn measure(
    net: Model,
    objective: Objective,
    schedule: &ScheduleSpec,
    inputs: Inputs,
    device: &Device,
) -> Result<Measured> {
    memory::restart_peak();
    let before = memory::peak();
    let (steps, step) = Steps::new(net, objective, schedule, device).step(inputs)?;
    steps.check()?;
    let memory_bytes = memory::peak().saturating_sub(before);
    Ok(Measured { step_s: step.seconds(), memory_bytes })
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleMapper;

    use super::*;
    use crate::device::for_training;
    use crate::loss::{self, LossSpec, Outputs};
    use crate::model::{self, ModelSpec};
    use crate::testing::unreadable;

    /// Takes the numbers of all parameters away.
    struct Lost;

    impl ModuleMapper for Lost {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|values| Tensor::from_inner(unreadable(values.dims())))
        }
    }

    #[test]
    fn weights_that_a_device_did_not_compute_are_an_error_after_the_last_step() {
        let spec: ModelSpec =
            toml::from_str("kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }")
                .unwrap();
        let device = for_training(&Device::flex(), false);
        let net = model::init(&spec, 1, 1, &device);
        let steps = |net: Model| {
            let loss: LossSpec = toml::from_str("kind = 'bce'").unwrap();
            let loss = loss::init(&loss, Outputs::Binary, &[1, 1]).unwrap();
            let objective = Objective { loss, multi_task: None };
            Steps::new(net, objective, &ScheduleSpec::default(), &device)
        };
        assert!(steps(net.clone().into()).check().is_ok());
        let error = steps(net.map(&mut Lost).into()).check().unwrap_err().to_string();
        assert!(error.starts_with("the device failed while updating the weights: "), "{error}");
    }

    #[test]
    fn steps_go_on_with_activation_checkpointing() {
        let spec = "kind = 'unet'\nencoder = { kind = 'plain', filters = [4, 8], dropout = 0.2 }";
        let spec: ModelSpec = toml::from_str(spec).unwrap();
        let device = for_training(&Device::flex(), true);
        let net = model::init(&spec, 1, 1, &device);
        let loss: LossSpec = toml::from_str("kind = 'bce'").unwrap();
        let loss = loss::init(&loss, Outputs::Binary, &[1, 1]).unwrap();
        let objective = Objective { loss, multi_task: None };
        let mut steps = Steps::new(net.into(), objective, &ScheduleSpec::default(), &device);
        let mut losses = Vec::new();
        for _ in 0..10 {
            let inputs = Inputs {
                images: Tensor::ones([2, 1, 16, 16], &device),
                labels: Tensor::ones([2, 16, 16], &device),
                classes: None,
                numbers: None,
            };
            let (next, step) = steps.step(inputs).unwrap();
            losses.push(step.loss);
            steps = next;
        }
        assert!(losses[9] < losses[0], "{losses:?}");
    }
}
