//! The one training path: a network, batches and a schedule in, kept weights and figures out.
//!
//! burn-train's `SupervisedTraining` launches it, steps the optimizer and writes checkpoints in the
//! background; `strategy.rs` is the loop, and [`Keeper`] is where results go. Nothing in it knows a
//! path or a spec file.

mod batches;
mod checkpoint;
mod clip;
mod ema;
mod inputs;
mod keeper;
mod learner;
mod measure;
mod objective;
mod optimizer;
mod progress;
mod rate;
mod stop;
mod stopping;
mod strategy;
mod watch;

pub use inputs::Inputs;
pub use keeper::Keeper;
pub use learner::Resting;
pub use measure::{Measured, Step, Steps, infer, measure};
pub use objective::Objective;
pub use progress::Progress;
pub use rate::learning_rate;
pub use stop::Stop;

use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use burn_train::logger::InMemoryMetricLogger;
use burn_train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};

use crate::data::Loader;
use crate::error::{Error, Result};
use crate::evaluate::Names;
use crate::loss::Outputs;
use crate::model::{Model, tensor_paths};
use crate::record::{Part, Progressed};
use crate::spec::{EmptyRule, ScheduleSpec};

/// Key and message of each setting of a schedule that training could not use.
pub fn problems(schedule: &ScheduleSpec) -> Vec<(String, String)> {
    [optimizer::problems(schedule), rate::problems(schedule), ema::problems(schedule)].concat()
}

/// Everything training needs.
pub struct Training {
    /// The network, initialised.
    pub net: Model,
    /// Layers that are frozen until an epoch, where there are any.
    pub resting: Option<Resting>,
    /// The objective that is minimised.
    pub objective: Objective,
    /// The schedule.
    pub schedule: ScheduleSpec,
    /// The meaning of the network's output channels.
    pub outputs: Outputs,
    /// Names of cases and classes.
    pub names: Names,
    /// The overlap of a class that is absent from truth and prediction alike.
    pub empty: EmptyRule,
    /// Seed of shuffling, augmentation and dropout.
    pub seed: u32,
    /// Training cases.
    pub train: Loader,
    /// The cases of the split that chooses, which is validation unless the schedule says otherwise.
    pub valid: Loader,
    /// Epochs from one checkpoint to the next.
    pub checkpoint_every: u32,
    /// The epoch after which training is interrupted, if it is not to go on to the last one now.
    pub pause_after: Option<u32>,
    /// The devices that train: the first holds the weights and the optimizer, and the batches of a step are spread over
    /// all of them.
    pub devices: Vec<Device>,
}

/// How training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// After its last epoch.
    Complete,
    /// Because a figure no longer improved.
    Early(String),
    /// On request.
    Interrupted(String),
    /// By an error.
    Failed(String),
}

/// The outcome of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// How it ended.
    pub ending: Ending,
    /// How far it came.
    pub progressed: Progressed,
    /// Batches without a labelled pixel, of which no step was made.
    pub skipped: u64,
}

/// Trains from `from` (or from the beginning) to the last epoch of the schedule.
///
/// # Errors
/// If a checkpoint cannot be read, or a figure that is to decide is none. What goes wrong while training is an [`Ending::Failed`].
pub fn train(
    training: Training,
    from: Option<Progressed>,
    keeper: Arc<dyn Keeper>,
    progress: Progress,
    stop: Stop,
) -> Result<Trained> {
    let resumed = from.as_ref().map(|progressed| progressed.epoch);
    let shared = Arc::new(Mutex::new(strategy::Shared::new(from.unwrap_or_default())));
    let ema = moving_average(&training, resumed, &*keeper)?;
    if let Some(epoch) = resumed {
        rate::check(keeper.load_part(epoch, Part::Rate)?)?;
    }
    let (steps, plateau) = (training.train.batches(), rate::SharedPlateau::default());
    let schedule = training.schedule.clone();
    let rate = rate::Rate::new(schedule.clone(), steps as u64, plateau.clone());
    let epoch = batches::EpochNumber::default();
    let trainable = learner::Trainable::new(training.net, training.objective, training.outputs)
        .precision(schedule.precision);
    let trainable = match training.resting {
        Some(resting) => trainable.resting(resting, epoch.clone()),
        None => trainable,
    };
    let groups = optimizer::groups(&schedule, &tensor_paths(&trainable));
    let accumulate = schedule.accumulate as usize * training.devices.len();
    let optimizer = optimizer::init(&schedule, &groups, &training.devices[0]);
    let learner = Learner::new(trainable, optimizer, rate);
    let train_loader =
        batches::TrainBatches::new(training.train, training.seed, epoch.clone(), accumulate);
    let valid_loader = batches::ValidBatches::new(training.valid);
    let saved = checkpoint::Saved::default();
    let strategy = strategy::Epochs {
        devices: training.devices,
        accumulate,
        schedule: schedule.clone(),
        checkpoint_every: training.checkpoint_every as usize,
        pause_after: training.pause_after.map(|epoch| epoch as usize),
        outputs: training.outputs,
        names: training.names,
        watch: watch::Watch::new(&schedule)?,
        empty: training.empty,
        seed: training.seed,
        number: epoch,
        plateau,
        ema: Mutex::new(ema),
        keeper: Arc::clone(&keeper),
        saved: saved.clone(),
        shared: Arc::clone(&shared),
        stop,
        lines: progress.lines(),
    };
    let mut supervised =
        SupervisedTraining::new("", Arc::new(train_loader), Arc::new(valid_loader))
            .with_application_logger(None)
            .with_metric_logger(InMemoryMetricLogger::new())
            .renderer(Box::new(progress))
            .with_interrupter(Interrupter::new())
            .with_checkpointing_strategy(checkpoint::Always)
            .with_custom_checkpointers(
                checkpoint::PartKeeper::new(Part::Model, Arc::clone(&keeper), saved.clone()),
                checkpoint::PartKeeper::new(Part::Optimizer, Arc::clone(&keeper), saved.clone()),
                checkpoint::PartKeeper::new(Part::Rate, keeper, saved),
            )
            .num_epochs(schedule.epochs as usize)
            .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
    if let Some(epoch) = resumed {
        supervised = supervised.checkpoint(epoch as usize);
    }

    let result = supervised.launch(learner);
    let shared = match shared.lock() {
        Ok(shared) => shared.clone(),
        Err(_) => return Err(Error::failed("training ended in the middle of an epoch")),
    };
    let failure = result.error.map(|error| error.to_string()).or(shared.failure);
    let interrupted = result.interrupted.map(|why| why.reason.unwrap_or_else(|| "stopped".into()));
    let ending = failure.map(Ending::Failed).or(interrupted.map(Ending::Interrupted));
    let ending = ending.or(shared.early.map(Ending::Early)).unwrap_or(Ending::Complete);
    Ok(Trained { ending, progressed: shared.progressed, skipped: shared.skipped })
}

/// The moving average of the weights, where the schedule has one: at first the network's, of a resumed run as it was.
fn moving_average(
    training: &Training,
    resumed: Option<u32>,
    keeper: &dyn Keeper,
) -> Result<Option<ema::Ema<Model>>> {
    let Some(spec) = &training.schedule.ema else { return Ok(None) };
    Ok(Some(match resumed {
        None => ema::Ema::new(spec.decay, &training.net),
        Some(epoch) => {
            let bytes = keeper.load_part(epoch, Part::Average)?;
            checkpoint::restore_average(spec.decay, &training.net, bytes)?
        }
    }))
}
