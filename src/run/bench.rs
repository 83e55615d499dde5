//! How long steps of training or prediction take, on real batches of the training split.

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use clap::ValueEnum;
use serde::Serialize;

use super::net::{initial_net, objective};
use crate::data::{Batch, Batches, Cache, Loader, Order};
use crate::device::{Chosen, for_training, on_device};
use crate::error::{Error, Result};
use crate::frame::ImageSize;
use crate::memory;
use crate::model::{Model, save_weights};
use crate::plan::Plan;
use crate::text;
use crate::train::{Inputs, Objective, Step, Steps, infer};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Forward, backward and optimizer.
    Train,
    /// Forward alone, without gradients.
    Infer,
}

/// What was measured; seconds unless said otherwise.
#[derive(Debug, Serialize)]
pub struct BenchFigures {
    /// What was timed.
    pub mode: Mode,
    /// The device.
    pub device: String,
    /// Threads of the CPU.
    pub threads: usize,
    /// Cases of a batch.
    pub batch_size: usize,
    /// Size of the images: the side of a square, or height and width, in pixels.
    pub image_size: ImageSize,
    /// Channels of the network's input.
    pub channels: usize,
    /// Parameters of the network.
    pub parameters: u64,
    /// Of every step, those before the timed ones too.
    pub losses: Vec<f32>,
    /// Of the timed steps, like all that follow.
    pub steps_s: Vec<f64>,
    /// Their forward passes.
    pub forward_s: Vec<f64>,
    /// Their backward passes.
    pub backward_s: Vec<f64>,
    /// Their updates.
    pub optimizer_s: Vec<f64>,
    /// Reading a batch and making tensors of it, while no step is run.
    pub loader_s: Vec<f64>,
    /// From the start of the process to the end of the first step.
    pub first_step_s: f64,
    /// Most memory that the process held.
    pub peak_rss_bytes: u64,
    /// Of a product of two 1024x1024 matrices, in 10^9 operations a second.
    pub gemm_gflops: f64,
    /// Multiply-adds of a step by the definitions of its layers, counted as two operations; of a
    /// training step three times those of the forward pass.
    pub step_gflop: f64,
}

/// A network with its first weights, whose steps are to be timed.
pub struct Bench<'a> {
    plan: &'a Plan,
    chosen: &'a Chosen,
    device: Device,
    model: Model,
    objective: Objective,
}

impl<'a> Bench<'a> {
    /// Makes the network of a plan on a device.
    ///
    /// # Errors
    /// If its weights cannot be read.
    pub fn new(plan: &'a Plan, chosen: &'a Chosen) -> Result<Self> {
        let checkpointing = plan.decisions.spec.schedule.activation_checkpointing;
        let device = for_training(&chosen.device, checkpointing);
        let (model, _) = initial_net(&plan.decisions, &device)?;
        let objective = objective(&plan.decisions)?;
        Ok(Self { plan, chosen, device, model, objective })
    }

    /// Writes the first weights as safetensors.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<()> {
        save_weights(&self.model.valid(), path)
    }

    /// Times `steps` steps after `warmup` others; with their batches.
    ///
    /// # Errors
    /// If a case cannot be decoded, or the loss is no number.
    pub fn run(
        self,
        mode: Mode,
        [warmup, steps]: [usize; 2],
    ) -> Result<(BenchFigures, Vec<Batch>)> {
        let Self { plan, chosen, device, model, objective } = self;
        let spec = &plan.decisions.spec;
        let work = match mode {
            Mode::Train => {
                Work::Train(Box::new(Steps::new(model, objective, &spec.schedule, &device)))
            }
            Mode::Infer => Work::Infer(Box::new(model.valid()), objective),
        };
        let timed = Timed::run(plan, work, &device, warmup + steps)?;
        let peak_rss_bytes = memory::peak();
        let after = |of: fn(&Step) -> f64| timed.steps.iter().skip(warmup).map(of).collect();
        let passes = if mode == Mode::Train { 3.0 } else { 1.0 };
        let figures = BenchFigures {
            mode,
            device: chosen.kind.to_string(),
            threads: rayon::current_num_threads(),
            batch_size: spec.schedule.batch_size as usize,
            image_size: spec.dataset.image_size,
            channels: spec.input_channels(),
            parameters: plan.decisions.parameters,
            losses: timed.steps.iter().map(|step| step.loss).collect(),
            steps_s: after(Step::seconds),
            forward_s: after(|step| step.forward_s),
            backward_s: after(|step| step.backward_s),
            optimizer_s: after(|step| step.optimizer_s),
            loader_s: timed.loader_s.iter().skip(warmup).copied().collect(),
            first_step_s: timed.first_step_s,
            peak_rss_bytes,
            gemm_gflops: on_device(
                || "multiplying matrices".into(),
                || gemm_gflops(&chosen.device),
            )?,
            step_gflop: passes * 2.0 * plan.decisions.multiply_adds as f64 / 1e9,
        };
        Ok((figures, timed.batches))
    }
}

/// What running all steps gave.
struct Timed {
    steps: Vec<Step>,
    loader_s: Vec<f64>,
    first_step_s: f64,
    batches: Vec<Batch>,
}

/// The most batches that are held; steps beyond them have the same once more.
const MOST_BATCHES: usize = 32;

impl Timed {
    /// Batches after the first are read before the second step, and none later, so that steps have the machine to
    /// themselves.
    fn run(plan: &Plan, mut work: Work, device: &Device, total: usize) -> Result<Self> {
        let mut timed = Self {
            steps: Vec::new(),
            loader_s: Vec::new(),
            first_step_s: 0.0,
            batches: Vec::new(),
        };
        let mut forever = Some(Forever::new(plan));
        let mut reading: Vec<f64> = Vec::new();
        let names = |cases: &[usize]| {
            let names =
                cases.iter().map(|&case| text::name(&plan.dataset.cases[case].id).into_owned());
            names.collect::<Vec<_>>().join(", ")
        };
        let device = match work {
            Work::Train(_) => device.clone(),
            Work::Infer(..) => device.clone().inner(),
        };
        for index in 0..total {
            let wanted = if index == 0 { 1 } else { total.min(MOST_BATCHES) };
            if let Some(batches) = &mut forever {
                while timed.batches.len() < wanted {
                    let started = Instant::now();
                    timed.batches.push(batches.next()?);
                    reading.push(started.elapsed().as_secs_f64());
                }
            }
            forever = forever.filter(|_| timed.batches.len() < total.min(MOST_BATCHES));
            let started = Instant::now();
            let batch = &timed.batches[index % wanted];
            let cases = batch.cases.clone();
            let inputs = Inputs::new(batch.clone(), &device);
            timed.loader_s.push(reading[index % wanted] + started.elapsed().as_secs_f64());
            let at = |error: Error| {
                Error::failed(format!("step {}, cases {}: {error}", index + 1, names(&cases)))
            };
            work = match work {
                Work::Train(steps) => {
                    let (steps, step) = steps.step(inputs).map_err(at)?;
                    timed.steps.push(step);
                    Work::Train(Box::new(steps))
                }
                Work::Infer(model, objective) => {
                    timed.steps.push(infer(&model, &objective, inputs).map_err(at)?);
                    Work::Infer(model, objective)
                }
            };
            if index == 0 {
                timed.first_step_s = since_start();
            }
        }
        if let Work::Train(steps) = &work {
            steps.check()?;
        }
        Ok(timed)
    }
}

enum Work {
    Train(Box<Steps>),
    Infer(Box<Model>, Objective),
}

/// Whole training batches of epoch after epoch, unaugmented.
struct Forever {
    loader: Loader,
    seed: u32,
    epoch: u32,
    batches: Batches,
    size: usize,
}

impl Forever {
    fn new(plan: &Plan) -> Self {
        let decisions = &plan.decisions;
        let spec = &decisions.spec;
        let loader = Loader::new(
            plan.dataset.clone(),
            plan.split.train.clone(),
            decisions.preprocess(),
            None,
            spec.schedule.batch_size as usize,
            spec.run.threads(),
            Cache::new(spec.dataset.cache_bytes()).into(),
        )
        .sampler(spec.schedule.sampler);
        let (seed, epoch) = (decisions.seed, 1);
        let batches = loader.epoch(Order::Shuffled { seed, epoch });
        let size = (spec.schedule.batch_size as usize).min(loader.cases());
        Self { loader, seed, epoch, batches, size }
    }

    fn next(&mut self) -> Result<Batch> {
        loop {
            match self.batches.next() {
                Some(Ok(batch)) if batch.cases.len() < self.size => {}
                Some(batch) => return batch,
                None => {
                    self.epoch += 1;
                    let order = Order::Shuffled { seed: self.seed, epoch: self.epoch };
                    self.batches = self.loader.epoch(order);
                }
            }
        }
    }
}

/// Seconds since this process was started, to a hundredth; 0 where the system does not tell.
fn since_start() -> f64 {
    let read = |path: &str| crate::file::read_to_string(path).unwrap_or_default();
    let uptime = read("/proc/uptime");
    let uptime: Option<f64> = uptime.split(' ').next().and_then(|text| text.parse().ok());
    let stat = read("/proc/self/stat");
    // The 22nd field, counted from behind the name, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Option<f64> = fields.split_whitespace().nth(19).and_then(|text| text.parse().ok());
    uptime.zip(ticks).map_or(0.0, |(uptime, ticks)| uptime - ticks / 100.0)
}

/// The rate of Burn's product of matrices on a device, the best of a few.
fn gemm_gflops(device: &Device) -> f64 {
    const SIDE: usize = 1024;
    let [a, b] = [(); 2].map(|()| {
        Tensor::<2>::random([SIDE; 2], Distribution::Uniform(-1.0, 1.0), &device.clone().inner())
    });
    let seconds = (0..6).map(|_| {
        let started = Instant::now();
        let product = a.clone().matmul(b.clone());
        let _first = product.slice([0..1, 0..1]).into_scalar::<f32>();
        started.elapsed().as_secs_f64()
    });
    2.0 * (SIDE as f64).powi(3) / 1e9 / seconds.fold(f64::INFINITY, f64::min)
}
