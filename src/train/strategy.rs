//! The loop: epochs of training and validation, from first to last.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use burn::data::dataloader::Progress as Count;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Device;
use burn_train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent,
    SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainOutput,
    TrainStep, TrainingComponents, TrainingItem, ValidLoader,
};

use super::batches::{EpochNumber, Input};
use super::checkpoint::{Saved, average_bytes};
use super::clip::{clip as clipped, scaled};
use super::ema::Ema;
use super::keeper::Keeper;
use super::learner::{Outcome, Output, Trainable, Unread, read};
use super::progress::Lines;
use super::rate::SharedPlateau;
use super::stop::Stop;
use super::watch::{Verdict, Watch, figure};
use crate::device::{failed, on_device};
use crate::error::{Error, Result};
use crate::evaluate::{EpochTally, Names};
use crate::figure_name::FigureName;
use crate::loss::Outputs;
use crate::model::Model;
use crate::record::{EpochRow, Part, Progressed, TimesRow};
use crate::spec::{EmptyRule, ScheduleSpec};
use crate::split_name::SplitName;
use crate::text;

/// The outcome of the loop.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// How far it came.
    pub progressed: Progressed,
    /// Why it stopped early.
    pub early: Option<String>,
    /// The error that ended it.
    pub failure: Option<String>,
    /// Batches without a labelled pixel, of which no step was made.
    pub skipped: u64,
}

impl Shared {
    /// Starts from what was recorded before.
    pub(super) fn new(progressed: Progressed) -> Self {
        Self { progressed, ..Self::default() }
    }
}

/// The loop and its parts.
pub(super) struct Epochs {
    /// The first holds the weights.
    pub devices: Vec<Device>,
    /// Batches whose gradients are averaged before the optimizer steps, over all devices.
    pub accumulate: usize,
    pub schedule: ScheduleSpec,
    /// Epochs from one checkpoint to the next.
    pub checkpoint_every: usize,
    /// The epoch after which training is interrupted.
    pub pause_after: Option<usize>,
    pub outputs: Outputs,
    pub names: Names,
    pub empty: EmptyRule,
    pub seed: u32,
    pub watch: Watch,
    pub number: EpochNumber,
    pub plateau: SharedPlateau,
    pub ema: Mutex<Option<Ema<Model>>>,
    pub keeper: Arc<dyn Keeper>,
    pub saved: Saved,
    pub shared: Arc<Mutex<Shared>>,
    pub stop: Stop,
    pub lines: Lines,
}

impl SupervisedLearningStrategy<Trainable> for Epochs {
    fn fit(
        &self,
        components: TrainingComponents<Trainable>,
        mut learner: Learner<Trainable>,
        train: TrainLoader<Trainable>,
        valid: ValidLoader<Trainable>,
        first_epoch: usize,
    ) -> (Trainable, SupervisedTrainingEventProcessor<Trainable>) {
        let mut events = components.event_processor;
        let mut checkpointer = components.checkpointer;
        let interrupter = components.interrupter;
        learner.fork(&self.devices[0].clone().autodiff());
        let (mut watch, verdict) = self.replayed();
        self.shared().progressed.best = watch.best;
        match verdict {
            Verdict::NoNumber { what, .. } => {
                self.shared().failure = Some(format!("{what}, and the run ended there"));
                return (learner.model(), events);
            }
            Verdict::Stop(why) if first_epoch <= components.num_epochs => {
                self.shared().early = Some(why);
                return (learner.model(), events);
            }
            Verdict::Stop(_) | Verdict::GoOn => {}
        }

        for epoch in first_epoch..=components.num_epochs {
            self.number.set(epoch as u32);
            for device in &self.devices {
                device.seed(epoch_seed(self.seed, epoch as u32));
            }
            let mut pass = Pass { epochs: self, events: &mut events, interrupter: &interrupter };
            let started = Instant::now();
            let Some(trained) = pass.train(&mut learner, &train, epoch) else { break };
            let train_s = started.elapsed().as_secs_f64();
            let rate = learner.lr_current().base();
            if let Err(error) = self.note_reading(epoch as u32) {
                self.shared().failure = Some(error.to_string());
                break;
            }
            let started = Instant::now();
            let Some(validated) = pass.validate(&learner, &valid, epoch) else { break };
            let valid_s = started.elapsed().as_secs_f64();
            interrupter.fail_on_error(events.process_train(LearnerEvent::EndEpoch(epoch)));
            interrupter.fail_on_error(events.flush());

            let mut progressed = self.progressed(epoch, rate, &trained, &validated);
            progressed.times.push(TimesRow { epoch: epoch as u32, train_s, valid_s });
            let verdict = watch.see(&progressed.rows, epoch as u32, &self.plateau);
            let improved = watch.best_epoch() == Some(epoch as u32);
            progressed.best = watch.best;

            let failure = self.unlabelled(&trained, &validated);
            let failure = failure.or_else(|| self.no_number(&verdict, &trained, &validated));
            let pauses =
                self.pause_after.is_some_and(|last| epoch >= last) && epoch < components.num_epochs;
            let ends = epoch == components.num_epochs
                || pauses
                || failure.is_some()
                || interrupter.should_stop()
                || !matches!(verdict, Verdict::GoOn);
            let saves = ends || epoch.is_multiple_of(self.checkpoint_every);
            if let Some(checkpointer) = checkpointer.as_mut().filter(|_| saves) {
                checkpointer.checkpoint(&learner, epoch, &components.event_store);
            }
            if let Err(error) = self.keep(&learner, &progressed, improved, saves) {
                self.shared().failure = Some(error.to_string());
                break;
            }
            let line = line_of(
                &progressed,
                (self.outputs, self.chooses()),
                components.num_epochs,
                improved,
            );
            self.lines.say(&line);
            self.shared().progressed = progressed;
            if failure.is_some() {
                self.shared().failure = failure;
                break;
            }
            if interrupter.should_stop() {
                break;
            }
            if let Verdict::Stop(why) = verdict
                && epoch < components.num_epochs
            {
                self.shared().early = Some(why);
                break;
            }
            if pauses {
                interrupter.stop(Some(&format!("paused after epoch {epoch}")));
                break;
            }
        }
        (learner.model(), events)
    }
}

impl Epochs {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The split that is measured after each epoch.
    fn chooses(&self) -> SplitName {
        self.schedule.choose_on.split()
    }

    /// Notes a reading of the test split, where that is measured.
    fn note_reading(&self, epoch: u32) -> Result<()> {
        match self.chooses() {
            SplitName::Test => self.keeper.note_test_reading(epoch),
            SplitName::Train | SplitName::Valid => Ok(()),
        }
    }

    fn average(&self) -> MutexGuard<'_, Option<Ema<Model>>> {
        self.ema.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What was recorded until the end of an epoch, with its figures.
    fn progressed(
        &self,
        epoch: usize,
        rate: f64,
        trained: &EpochTally,
        validated: &EpochTally,
    ) -> Progressed {
        let mut progressed = self.shared().progressed.clone();
        progressed.epoch = epoch as u32;
        progressed.rows.push(row(epoch, SplitName::Train, rate, trained));
        progressed.rows.push(row(epoch, self.chooses(), rate, validated));
        progressed
    }

    /// The state machines that watch figures, brought to where the recorded epochs left them, and
    /// what the last of those decided.
    fn replayed(&self) -> (Watch, Verdict) {
        let rows = self.shared().progressed.rows.clone();
        let last = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
        let mut watch = self.watch.clone();
        let mut verdict = Verdict::GoOn;
        for epoch in 1..=last {
            verdict = watch.see(&rows, epoch, &self.plateau);
        }
        (watch, verdict)
    }

    /// The error of a split without anything to learn from, or to judge by.
    fn unlabelled(&self, trained: &EpochTally, validated: &EpochTally) -> Option<String> {
        let splits = [("training", trained), (in_words(self.chooses()), validated)];
        let (split, tally) = splits.into_iter().find(|(_, tally)| tally.labelled() == 0)?;
        Some(tally.cause("loss", split, &self.names))
    }

    /// Why training cannot go on after a verdict.
    fn no_number(
        &self,
        verdict: &Verdict,
        trained: &EpochTally,
        validated: &EpochTally,
    ) -> Option<String> {
        let Verdict::NoNumber { figure, what } = verdict else { return None };
        let (split, tally) = match figure.split {
            SplitName::Train => (in_words(figure.split), trained),
            SplitName::Valid | SplitName::Test => (in_words(figure.split), validated),
        };
        Some(format!("{what}: {}", tally.cause(&figure.figure, split, &self.names)))
    }

    /// The network whose figures count: the moving average where there is one.
    fn judged(&self, learner: &Learner<Trainable>) -> Trainable {
        let model = learner.model();
        match &*self.average() {
            Some(average) => model.with_net(average.model()),
            None => model,
        }
    }

    /// An empty tally of a split.
    fn tally(&self) -> EpochTally {
        EpochTally::new(self.outputs, self.names.image_classes.len(), self.empty)
    }

    /// Keeps the weights of an epoch that beat the best. Where it is `saved`, waits for the background writers and makes
    /// it the one to resume from.
    fn keep(
        &self,
        learner: &Learner<Trainable>,
        progressed: &Progressed,
        improved: bool,
        saved: bool,
    ) -> Result<()> {
        let judged = self.judged(learner).net.valid();
        if improved {
            self.keeper.keep_best(&judged)?;
        }
        self.keeper.see(progressed.epoch, &judged)?;
        if !saved {
            return Ok(());
        }
        self.saved.wait(3)?;
        if let Some(average) = &*self.average() {
            self.keeper.save_part(progressed.epoch, Part::Average, &average_bytes(average)?)?;
        }
        self.keeper.commit(progressed)
    }
}

fn in_words(split: SplitName) -> &'static str {
    match split {
        SplitName::Train => "training",
        SplitName::Valid => "validation",
        SplitName::Test => "test",
    }
}

/// An epoch in a line.
fn line_of(
    progressed: &Progressed,
    (outputs, chooses): (Outputs, SplitName),
    epochs: usize,
    improved: bool,
) -> String {
    let value = |split: SplitName, name: &str| {
        figure(&progressed.rows, progressed.epoch, &FigureName::new(split, name))
    };
    let seconds = progressed.times.last().map_or(0.0, |times| times.train_s + times.valid_s);
    let [first, second] = match outputs {
        Outputs::Binary | Outputs::Classes(_) => [("Dice", "dice.lesion"), ("IoU", "iou.lesion")],
        Outputs::Images(_) => [("accuracy", "accuracy"), ("AUC", "auc.macro")],
    }
    .map(|(name, figure)| format!("{name} {:.4}", value(chooses, figure)));
    format!(
        "epoch {:>width$}/{epochs}  loss {:.4} ({chooses} {:.4})  {chooses} {first}, {second}  {seconds:.1} s{}",
        progressed.epoch,
        value(SplitName::Train, "loss"),
        value(chooses, "loss"),
        if improved { "  best" } else { "" },
        width = epochs.to_string().len()
    )
}

fn row(epoch: usize, split: SplitName, learning_rate: f64, tally: &EpochTally) -> EpochRow {
    let figures = tally.figures().into_iter();
    let figures = figures.map(|(name, value)| (name.to_string(), value)).collect();
    EpochRow { epoch: epoch as u32, split, learning_rate, figures }
}

/// A seed for what is drawn on the device in an epoch: every epoch has its own stream, so that a
/// resumed run draws what an uninterrupted one would.
pub(super) fn epoch_seed(seed: u32, epoch: u32) -> u64 {
    (u64::from(seed) << 32) | u64::from(epoch)
}

/// One pass over a split. A pass that cannot be finished gives `None`, and the reason is noted.
struct Pass<'a> {
    epochs: &'a Epochs,
    events: &'a mut SupervisedTrainingEventProcessor<Trainable>,
    interrupter: &'a Interrupter,
}

impl Pass<'_> {
    fn train(
        &mut self,
        learner: &mut Learner<Trainable>,
        loader: &TrainLoader<Trainable>,
        epoch: usize,
    ) -> Option<EpochTally> {
        let start =
            LearnerEvent::StartSplit { epoch_number: epoch, total_items: loader.num_items() };
        self.interrupter.fail_on_error(self.events.process_train(start));
        let accumulate = self.epochs.accumulate;
        let mut statistics = Statistics::new(self.epochs);
        let mut gradients = GradientsAccumulator::new();
        let (mut step, mut skipped) = (0, 0);
        let mut group = Group::default();
        let mut batches = loader.iter();
        while let Some(batch) = batches.next() {
            let input = self.noted(batch)?;
            let progress = batches.progress();
            let ends_group = (step + 1) % accumulate == 0 || progress.is_completed();
            step += 1;
            // Nothing can be learned from ignored pixels alone, and a step by no gradient is a step all the same:
            // moments and weight decay would move the weights.
            let cases = input.batch.cases.clone();
            let since = statistics.first().unwrap_or(step);
            let doing = || self.doing("training", epoch, [since, step], &cases);
            let made = match input.batch.is_labelled() {
                true => Some(self.noted(on_device(doing, || self.step(learner, input, step)))?),
                false => None,
            };
            group.batches += 1;
            let learned = made.is_some();
            match made {
                Some(made) => {
                    statistics.push(step, made.item);
                    gradients.accumulate(&learner.model(), made.grads);
                    group.labelled += 1;
                }
                None => skipped += 1,
            }
            let rest = || {
                if ends_group {
                    learner.lr_step();
                    if group.labelled > 0 {
                        self.optimizer_step(learner, gradients.grads(), &group);
                    }
                    group = Group::default();
                }
                statistics.read(progress.is_completed(), |step, output| {
                    if output.loss.is_finite() {
                        return Ok(());
                    }
                    Err(not_finite(output, &self.epochs.names.cases, epoch, step))
                })
            };
            self.read(doing, rest)?;
            if learned {
                let rate = Some(learner.lr_current());
                let item = TrainingItem::new(Outcome::default(), progress, Some(step), rate);
                let sent = self.events.process_train(LearnerEvent::ProcessedItem(item));
                self.interrupter.fail_on_error(sent);
            }
            if self.stopped() {
                return None;
            }
        }
        if skipped > 0 {
            let batches = if skipped == 1 { "batch" } else { "batches" };
            let said =
                format!("epoch {epoch}: {skipped} {batches} without a labelled pixel made no step");
            self.epochs.lines.say(&said);
            self.epochs.shared().skipped += skipped;
        }
        self.interrupter.fail_on_error(self.events.process_train(LearnerEvent::EndSplit(epoch)));
        Some(statistics.tally)
    }

    fn validate(
        &mut self,
        learner: &Learner<Trainable>,
        loader: &ValidLoader<Trainable>,
        epoch: usize,
    ) -> Option<EpochTally> {
        let start =
            LearnerEvent::StartSplit { epoch_number: epoch, total_items: loader.num_items() };
        self.interrupter.fail_on_error(self.events.process_valid(start));
        let model = self.epochs.judged(learner).valid();
        let mut statistics = Statistics::new(self.epochs);
        let mut step = 0;
        let mut batches = loader.iter();
        while let Some(batch) = batches.next() {
            let input = self.noted(batch)?;
            let progress: Count = batches.progress();
            step += 1;
            let cases = input.batch.cases.clone();
            let since = statistics.first().unwrap_or(step);
            let doing = || self.doing("validation", epoch, [since, step], &cases);
            let read = || {
                statistics.push(step, InferenceStep::step(&model, input));
                statistics.read(progress.is_completed(), |_, _| Ok(()))
            };
            self.read(doing, read)?;
            let item = TrainingItem::new(Outcome::default(), progress, Some(step), None);
            let sent = self.events.process_valid(LearnerEvent::ProcessedItem(item));
            self.interrupter.fail_on_error(sent);
            if self.stopped() {
                return None;
            }
        }
        self.interrupter.fail_on_error(self.events.process_valid(LearnerEvent::EndSplit(epoch)));
        Some(statistics.tally)
    }

    /// A batch through the network on the device whose turn it is; its gradients come to the first device.
    fn step(
        &self,
        learner: &Learner<Trainable>,
        input: Input,
        step: usize,
    ) -> TrainOutput<Outcome> {
        let devices = &self.epochs.devices;
        let turn = (step - 1) % devices.len();
        if turn == 0 {
            return learner.train_step(input);
        }
        let replica = learner.model().fork(&devices[turn].clone().autodiff());
        let TrainOutput { grads, item } = TrainStep::step(&replica, input);
        TrainOutput { grads: grads.to_device(&devices[0], &replica), item }
    }

    /// Steps the optimizer by the mean gradients of a group, and the moving average after it.
    fn optimizer_step(
        &self,
        learner: &mut Learner<Trainable>,
        mut gradients: GradientsParams,
        group: &Group,
    ) {
        if let Some(factor) = group.correction() {
            gradients = scaled(factor, &learner.model(), gradients);
        }
        if let Some(clip) = &self.epochs.schedule.clip {
            gradients = clipped(clip, &learner.model(), gradients);
        }
        learner.optimizer_step(gradients);
        if let Some(average) = &mut *self.epochs.average() {
            average.update(&learner.model().net);
        }
    }

    /// Where in a run a device is at work: in one of the steps from the first to the last, whose cases are named.
    fn doing(
        &self,
        pass: &str,
        epoch: usize,
        [first, last]: [usize; 2],
        cases: &[usize],
    ) -> String {
        let cases = named(cases, &self.epochs.names.cases);
        if first == last {
            return format!("{pass}, epoch {epoch}, step {last}, cases {cases}");
        }
        format!("{pass}, epoch {epoch}, steps {first} to {last}, cases of the last {cases}")
    }

    /// Work that ends in reading statistics; where that fails, the reason is noted.
    fn read(
        &self,
        doing: impl Fn() -> String,
        work: impl FnOnce() -> std::result::Result<(), Fault>,
    ) -> Option<()> {
        let read = on_device(&doing, work);
        self.noted(read.and_then(|read| read.map_err(|fault| fault.of(&doing))))
    }

    /// A batch, or the result of a step; where it could not be had, the reason is noted.
    fn noted<T, E: ToString>(&self, result: std::result::Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fail(error.to_string())).ok()
    }

    /// Whether a stop was requested or a background task failed.
    fn stopped(&self) -> bool {
        if self.epochs.stop.asked() && !self.interrupter.should_stop() {
            self.interrupter.stop(Some("asked to stop by a signal"));
        }
        self.interrupter.should_stop()
    }

    fn fail(&self, why: String) {
        self.epochs.shared().failure = Some(why);
    }
}

/// The statistics of a pass, some of which are still on the device.
struct Statistics {
    tally: EpochTally,
    /// Number and statistics of each step that was not read yet.
    unread: Vec<(usize, Unread)>,
    /// Steps that are read at once.
    at_once: usize,
}

impl Statistics {
    /// Of no step.
    fn new(epochs: &Epochs) -> Self {
        let on_cpu = epochs.devices[0] == Device::flex();
        let at_once = if on_cpu { 1 } else { STEPS_READ_AT_ONCE };
        Self { tally: epochs.tally(), unread: Vec::new(), at_once }
    }

    /// The first step that was not read yet.
    fn first(&self) -> Option<usize> {
        self.unread.first().map(|(step, _)| *step)
    }

    /// Adds a step.
    fn push(&mut self, step: usize, outcome: Outcome) {
        self.unread.extend(outcome.0.map(|statistics| (step, statistics)));
    }

    /// Reads the steps so far where there are enough of them, or `all` are wanted, and gives each to `check`.
    ///
    /// # Errors
    /// If the device does not give what it computed, or `check` finds a fault.
    fn read(
        &mut self,
        all: bool,
        check: impl Fn(usize, &Output) -> std::result::Result<(), String>,
    ) -> std::result::Result<(), Fault> {
        if !all && self.unread.len() < self.at_once {
            return Ok(());
        }
        let (steps, unread): (Vec<_>, Vec<_>) = self.unread.drain(..).unzip();
        let read = read(unread).map_err(Fault::Device)?;
        for (step, output) in steps.into_iter().zip(read) {
            check(step, &output).map_err(Fault::Found)?;
            output.tally(&mut self.tally);
        }
        Ok(())
    }
}

/// Why statistics end a run.
enum Fault {
    /// What a device said that did not give them.
    Device(String),
    /// What is wrong with them.
    Found(String),
}

impl Fault {
    /// The error, of what the device was doing.
    fn of(self, doing: impl FnOnce() -> String) -> Error {
        match self {
            Self::Device(said) => failed(&doing(), &said),
            Self::Found(fault) => Error::Failed(fault),
        }
    }
}

/// On a GPU a reading waits for all work before it, so that several steps share one. On the CPU each step is read.
const STEPS_READ_AT_ONCE: usize = 16;

/// Batches whose gradients are averaged before a step of the optimizer.
#[derive(Default)]
struct Group {
    batches: u32,
    /// Those with a labelled pixel, which alone have gradients.
    labelled: u32,
}

impl Group {
    /// The factor from the mean over all of the group to the mean over those with gradients, where there are others.
    fn correction(&self) -> Option<f32> {
        (self.labelled < self.batches).then(|| self.batches as f32 / self.labelled as f32)
    }
}

/// Where a loss stopped being a number.
fn not_finite(output: &Output, names: &[String], epoch: usize, step: usize) -> String {
    format!(
        "the training loss is {} in epoch {epoch}, step {step}; cases of the batch: {}",
        output.loss,
        named(&output.cases, names)
    )
}

/// The names of cases.
fn named(cases: &[usize], names: &[String]) -> String {
    let cases: Vec<_> = cases.iter().map(|&case| text::name(&names[case])).collect();
    cases.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_averaged_over_the_batches_that_have_them() {
        let group = |batches, labelled| Group { batches, labelled };
        assert_eq!(group(3, 3).correction(), None);
        assert_eq!(group(3, 2).correction(), Some(1.5));
    }
}
