//! `oncospec bench`.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use clap::{Args, ValueEnum};
use safetensors::tensor::{Dtype, View};
use serde::Serialize;

use super::outputs::{Outputs as Files, OverwriteArgs, Planned};
use super::spec::Overrides;
use super::{Output, pretty, print};
use crate::data::{Batch, Cache, Loader, Order};
use crate::device::for_training;
use crate::error::{Error, Result};
use crate::model::{Model, save_weights};
use crate::plan::{Depth, Extent, Plan, survey};
use crate::run::{initial_net, objective};
use crate::train::{Inputs, Objective, Step, Steps, infer, peak_memory};

/// Files of a dump.
const WEIGHTS: &str = "weights.safetensors";
const BATCHES: &str = "batches.safetensors";

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Spec file.
    #[arg(value_name = "SPEC")]
    path: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// What is timed.
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,
    /// Cases of a batch; the spec's unless given.
    #[arg(long)]
    batch_size: Option<u32>,
    /// Steps before those that are timed.
    #[arg(long, default_value_t = 2)]
    warmup: usize,
    /// Steps that are timed.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Write the first weights and all batches to a folder, as safetensors.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Forward, backward and optimizer.
    Train,
    /// Forward alone, without gradients.
    Infer,
}

/// What was measured; seconds unless said otherwise.
#[derive(Debug, Serialize)]
struct Figures {
    mode: Mode,
    device: String,
    threads: usize,
    batch_size: usize,
    image_size: u32,
    channels: usize,
    parameters: u64,
    /// Of every step, those before the timed ones too.
    losses: Vec<f32>,
    /// Of the timed steps, like all that follow.
    steps_s: Vec<f64>,
    forward_s: Vec<f64>,
    backward_s: Vec<f64>,
    optimizer_s: Vec<f64>,
    /// Waiting for a batch and making tensors of it; no part of a step.
    loader_s: Vec<f64>,
    /// From the start of the process to the end of the first step.
    first_step_s: f64,
    peak_rss_bytes: u64,
    /// Of a product of two 1024x1024 matrices, in 10^9 operations a second.
    gemm_gflops: f64,
    /// Multiply-adds of a step by the definitions of its layers, counted as two operations; of a
    /// training step three times those of the forward pass.
    step_gflop: f64,
}

/// Times steps on real batches of the training split.
pub(super) fn execute(args: BenchArgs, output: Output) -> Result<u8> {
    let mut overrides = args.overrides.clone();
    overrides.sets.extend(args.batch_size.map(|size| format!("schedule.batch-size={size}")));
    let checked = overrides.check(&args.path, Depth::Headers, output)?;
    let spec = checked.loaded.spec.clone();
    let chosen = overrides.device(&spec, output)?;
    let plan =
        checked.plan(&survey(&checked, Extent::Training)?, spec.seeds[0], chosen.kind.family())?;
    let device = for_training(&chosen.device, spec.schedule.activation_checkpointing);
    let (model, _) = initial_net(&plan.decisions, &device)?;
    let objective = objective(&plan.decisions)?;
    let dump = match &args.dump {
        Some(folder) => {
            let planned = [WEIGHTS, BATCHES].map(Planned::named).to_vec();
            Some(Files::folder(folder, "a dump of batches", planned, args.overwrite)?)
        }
        None => None,
    };
    if let Some(files) = &dump {
        files.write_with(WEIGHTS, |path| save_weights(&model.valid(), path))?;
    }
    let total = args.warmup + args.steps;
    let work = match args.mode {
        Mode::Train => Work::Train(Box::new(Steps::new(model, objective, &spec.schedule, &device))),
        Mode::Infer => Work::Infer(Box::new(model.valid()), objective),
    };
    let timed = Timed::run(&plan, work, &device, total, args.dump.is_some())?;
    if let Some(files) = &dump {
        files.write_with(BATCHES, |path| dump_batches(&timed.batches, path))?;
    }
    let peak_rss_bytes = peak_memory();
    let after = |of: fn(&Step) -> f64| timed.steps.iter().skip(args.warmup).map(of).collect();
    let passes = if args.mode == Mode::Train { 3.0 } else { 1.0 };
    let figures = Figures {
        mode: args.mode,
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
        loader_s: timed.loader_s.iter().skip(args.warmup).copied().collect(),
        first_step_s: timed.first_step_s,
        peak_rss_bytes,
        gemm_gflops: gemm_gflops(&chosen.device),
        step_gflop: passes * 2.0 * plan.decisions.multiply_adds as f64 / 1e9,
    };
    if output.json { print(&pretty(&figures)?) } else { print(&told(&figures)) }
}

/// What running all steps gave.
struct Timed {
    steps: Vec<Step>,
    loader_s: Vec<f64>,
    first_step_s: f64,
    /// Where they are to be kept.
    batches: Vec<Batch>,
}

impl Timed {
    fn run(plan: &Plan, mut work: Work, device: &Device, total: usize, keep: bool) -> Result<Self> {
        let mut timed = Self {
            steps: Vec::new(),
            loader_s: Vec::new(),
            first_step_s: 0.0,
            batches: Vec::new(),
        };
        let mut batches = Forever::new(plan);
        let device = match work {
            Work::Train(_) => device.clone(),
            Work::Infer(..) => device.clone().inner(),
        };
        for index in 0..total {
            let started = Instant::now();
            let batch = batches.next()?;
            let inputs = Inputs::new(&batch, &device);
            timed.loader_s.push(started.elapsed().as_secs_f64());
            work = match work {
                Work::Train(steps) => {
                    let (steps, step) = steps.step(inputs)?;
                    timed.steps.push(step);
                    Work::Train(Box::new(steps))
                }
                Work::Infer(model, objective) => {
                    timed.steps.push(infer(&model, &objective, inputs)?);
                    Work::Infer(model, objective)
                }
            };
            if index == 0 {
                timed.first_step_s = since_start();
            }
            if keep {
                timed.batches.push(batch);
            }
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
    batches: crate::data::Batches,
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
            spec.run.workers as usize,
            Cache::new((spec.dataset.cache_mib as usize) << 20).into(),
        );
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

/// Numbers on their way to a safetensors file.
struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Numbers {
    fn integers(values: &[u8], shape: Vec<usize>) -> Self {
        let bytes = values.iter().flat_map(|&value| i32::from(value).to_le_bytes()).collect();
        Self { dtype: Dtype::I32, shape, bytes }
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `images.0`, `labels.0`, where images have classes `classes.0`, then `images.1`, ...
fn dump_batches(batches: &[Batch], path: &Path) -> Result<()> {
    let mut tensors = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        let (cases, side) = (batch.cases.len(), batch.size);
        let images = Numbers {
            dtype: Dtype::F32,
            shape: vec![cases, batch.channels, side, side],
            bytes: batch.images.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        tensors.push((format!("images.{index}"), images));
        let labels = vec![cases, batch.label_size, batch.label_size];
        tensors.push((format!("labels.{index}"), Numbers::integers(&batch.labels, labels)));
        if !batch.classes.is_empty() {
            let classes = Numbers::integers(&batch.classes, vec![cases]);
            tensors.push((format!("classes.{index}"), classes));
        }
    }
    safetensors::serialize_to_file(tensors, None, path)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))
}

/// Seconds since this process was started, to a hundredth; 0 where the system does not tell.
fn since_start() -> f64 {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
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

fn told(figures: &Figures) -> String {
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let step = median(&figures.steps_s);
    let line = |name: &str, values: &[f64]| {
        let seconds = median(values);
        format!("{name:10} {:>9.1} ms {:>5.1}%\n", 1e3 * seconds, 100.0 * seconds / step)
    };
    let mut text = format!(
        "{} {}, {} threads, batch {} of {}x{} px, {} parameters\n",
        match figures.mode {
            Mode::Train => "training on",
            Mode::Infer => "prediction on",
        },
        figures.device,
        figures.threads,
        figures.batch_size,
        figures.image_size,
        figures.image_size,
        figures.parameters
    );
    text += &line("step", &figures.steps_s);
    if figures.mode == Mode::Train {
        text += &line("forward", &figures.forward_s);
        text += &line("backward", &figures.backward_s);
        text += &line("optimizer", &figures.optimizer_s);
    }
    text += &line("loader", &figures.loader_s);
    let rate = figures.step_gflop / step;
    text + &format!(
        "{:10} {rate:>9.1} GFLOP/s by definition, {:.1} is the machine's matrix product\n\
         {:10} {:>9} MiB\n{:10} {:>9.2} s from start to end of the first step\n",
        "rate",
        figures.gemm_gflops,
        "peak RSS",
        figures.peak_rss_bytes >> 20,
        "first step",
        figures.first_step_s
    )
}
