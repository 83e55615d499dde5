//! The learning rate at each optimizer step.

use std::{
    f64::consts::PI,
    sync::{Arc, Mutex, PoisonError},
};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use super::stopping::Patience;
use crate::error::{Error, Result};
use crate::spec::{Goal, OneCycleRate, PlateauRate, RateSpec, ScheduleSpec};

/// The learning rate at an optimizer step, counted from 0, as PyTorch's schedulers give it when
/// stepped after each optimizer step (`StepLR`: after each epoch).
///
/// During warm-up the rate rises in equal parts from `1/n` of its first value, at step 0, to all
/// of it at the last of its `n` steps; the schedule proper then starts at its own step 0 and takes
/// the steps that are left, as under `SequentialLR`. The part that reduce-on-plateau plays depends
/// on a figure and is `Plateau`'s.
pub fn learning_rate(spec: &ScheduleSpec, step: u64, steps_per_epoch: u64) -> f64 {
    let base = spec.optimizer.learning_rate();
    let warm_up = (spec.warm_up_epochs * steps_per_epoch as f64).round() as u64;
    let total = (u64::from(spec.epochs) * steps_per_epoch).saturating_sub(warm_up).max(1);
    let rate =
        |step: u64| scheduled(&spec.learning_rate_schedule, base, step, total, steps_per_epoch);
    if step < warm_up {
        return rate(0) * (step + 1) as f64 / warm_up as f64;
    }
    rate(step - warm_up)
}

/// The rate of a schedule at its own step, of `total`. Past the end it stays where it ended.
fn scheduled(spec: &RateSpec, base: f64, step: u64, total: u64, steps_per_epoch: u64) -> f64 {
    let part = step.min(total) as f64 / total as f64;
    match spec {
        RateSpec::Constant(_) | RateSpec::ReduceOnPlateau(_) => base,
        RateSpec::Cosine(cosine) => annealed(base, cosine.minimum, part),
        RateSpec::Polynomial(polynomial) => base * (1.0 - part).powf(polynomial.power),
        RateSpec::Step(spec) => {
            let steps = step / (u64::from(spec.every) * steps_per_epoch).max(1);
            base * spec.factor.powf(steps as f64)
        }
        RateSpec::OneCycle(cycle) => one_cycle(cycle, base, step.min(total - 1), total),
    }
}

/// Up by half a cosine until `rise * total - 1`, then down by another until the last step.
fn one_cycle(spec: &OneCycleRate, highest: f64, step: u64, total: u64) -> f64 {
    let first = highest / spec.initial_divisor;
    let last = first / spec.final_divisor;
    let (step, end) = (step as f64, (total - 1) as f64);
    let top = spec.rise * total as f64 - 1.0;
    if step <= top && top > 0.0 {
        annealed(first, highest, step / top)
    } else if end > top {
        annealed(highest, last, (step - top) / (end - top))
    } else {
        highest
    }
}

/// Half a cosine from `start`, at 0, to `end`, at 1.
fn annealed(start: f64, end: f64, part: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * part).cos()) / 2.0
}

/// Key and message of what is wrong with a schedule's learning rate, such as a warm-up that does
/// not end.
pub(super) fn problems(spec: &ScheduleSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if spec.warm_up_epochs > 0.0 && spec.warm_up_epochs >= f64::from(spec.epochs) {
        found.push((
            "schedule.warm-up-epochs".into(),
            format!(
                "warm-up takes {} of {} epochs, so that the learning rate is never reached",
                spec.warm_up_epochs, spec.epochs
            ),
        ));
    }
    found
}

/// Reduce-on-plateau: the rate is multiplied by `factor` each time the figure has not improved
/// for `patience` epochs (PyTorch's `ReduceLROnPlateau(patience=patience - 1, threshold=0)`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plateau {
    spec: PlateauRate,
    goal: Goal,
    patience: Patience,
    factor: f64,
    least: f64,
}

impl Plateau {
    /// Before the first epoch, with the direction of the spec's figure and the learning rate that is to be reduced.
    pub(super) fn new(spec: &PlateauRate, goal: Goal, learning_rate: f64) -> Self {
        let least = if spec.minimum < learning_rate { spec.minimum / learning_rate } else { 1.0 };
        Self { spec: spec.clone(), goal, patience: Patience::default(), factor: 1.0, least }
    }

    /// Adds an epoch's value of the spec's figure; gives the factor on the rate from now on. NaN is no
    /// improvement.
    pub(super) fn update(&mut self, value: f64) -> f64 {
        self.patience.observe(self.goal, 0.0, value);
        if self.patience.waited >= self.spec.patience {
            self.patience.waited = 0;
            self.factor = (self.factor * self.spec.factor).max(self.least);
        }
        self.factor
    }
}

/// The factor on the learning rate on a plateau, shared between the loop that sees the
/// figures and the [`Rate`] that Burn's learner owns.
#[derive(Clone, Debug)]
pub(super) struct SharedPlateau(Arc<Mutex<f64>>);

impl Default for SharedPlateau {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(1.0)))
    }
}

impl SharedPlateau {
    /// Sets the factor for the steps that follow.
    pub(super) fn set(&self, factor: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = factor;
    }

    /// The factor now.
    pub(super) fn get(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The learning rate as Burn's learner steps it, once for each optimizer step: [`learning_rate`]
/// with a counter, times the factor of a plateau.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    schedule: ScheduleSpec,
    steps_per_epoch: u64,
    step: u64,
    plateau: SharedPlateau,
}

impl Rate {
    /// The rate before the first step. The batches of an epoch make an optimizer step each, or as
    /// many as the schedule accumulates together.
    pub(super) fn new(
        schedule: ScheduleSpec,
        batches_per_epoch: u64,
        plateau: SharedPlateau,
    ) -> Self {
        let steps_per_epoch = batches_per_epoch.div_ceil(u64::from(schedule.accumulate.max(1)));
        Self { schedule, steps_per_epoch, step: 0, plateau }
    }
}

impl LrScheduler for Rate {
    fn step(&mut self) -> f64 {
        let rate = learning_rate(&self.schedule, self.step, self.steps_per_epoch);
        self.step += 1;
        rate * self.plateau.get()
    }

    // Named scalars rather than `LrSchedulerRecord::from_state`: reading a state back asks for
    // Burn's default device, which is CUDA wherever it is compiled in.
    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new()
            .with_scalar("step", self.step)
            .with_scalar("plateau", self.plateau.get())
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.step = record.scalar("step").expect(CHECKED);
        self.plateau.set(record.scalar("plateau").expect(CHECKED));
    }
}

const CHECKED: &str = "a checkpoint's learning rate is checked before training goes on";

/// Checks that a rate can be read back from its bytes in a checkpoint.
///
/// # Errors
/// If one of its numbers is not there.
pub(super) fn check(bytes: Vec<u8>) -> Result<()> {
    let unread = |why: String| {
        Error::failed(format!("cannot read the learning rate of the checkpoint: {why}"))
    };
    let record = LrSchedulerRecord::from_bytes(Bytes::from_bytes_vec(bytes))
        .map_err(|error| unread(error.to_string()))?;
    // Burn numbers the schedules of groups of parameters; there is one.
    let record = record.record("0");
    let step = record.scalar::<u64>("step").map(drop);
    let numbers = [("step", step), ("plateau", record.scalar::<f64>("plateau").map(drop))];
    match numbers.into_iter().find(|(_, number)| number.is_none()) {
        Some((name, _)) => Err(unread(format!("it has no `{name}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;

    use super::*;
    use crate::testing::fixture;

    fn schedule(toml: &str) -> ScheduleSpec {
        toml::from_str(toml).unwrap()
    }

    fn rates(spec: &ScheduleSpec, steps_per_epoch: u64, steps: u64) -> Vec<f64> {
        (0..steps).map(|step| learning_rate(spec, step, steps_per_epoch)).collect()
    }

    #[track_caller]
    fn assert_rates(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12, "found {found}, expected {expected}");
        }
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        schedule: ScheduleSpec,
        steps_per_epoch: u64,
        rates: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        rates: Vec<Case>,
        plateau: PlateauCase,
    }

    #[derive(Deserialize)]
    struct PlateauCase {
        schedule: ScheduleSpec,
        values: Vec<f64>,
        rates: Vec<f64>,
    }

    fn torch() -> Fixture {
        let file = std::fs::read_to_string(fixture("schedules.json")).unwrap();
        serde_json::from_str(&file).unwrap()
    }

    #[test]
    fn rates_are_those_of_torch() {
        let cases = torch().rates;
        assert!(cases.len() >= 10);
        for case in cases {
            let found = rates(&case.schedule, case.steps_per_epoch, case.rates.len() as u64);
            for (step, (found, expected)) in found.iter().zip(&case.rates).enumerate() {
                let error = (found - expected).abs() / expected.abs().max(1e-9);
                assert!(error < 1e-9, "{} at step {step}: {found}, not {expected}", case.name);
            }
        }
    }

    fn plateau(spec: &ScheduleSpec) -> Plateau {
        match &spec.learning_rate_schedule {
            RateSpec::ReduceOnPlateau(plateau) => {
                Plateau::new(plateau, Goal::Lowest, spec.optimizer.learning_rate())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rates_on_a_plateau_are_those_of_torch() {
        let PlateauCase { schedule, values, rates } = torch().plateau;
        let mut plateau = plateau(&schedule);
        let rate = schedule.optimizer.learning_rate();
        let found: Vec<f64> = values.iter().map(|&value| rate * plateau.update(value)).collect();
        assert_rates(&found, &rates);
    }

    #[test]
    fn warm_up_rises_in_equal_parts_and_the_schedule_takes_the_steps_left() {
        let spec = schedule(
            "epochs = 3
             warm-up-epochs = 1
             optimizer = { kind = 'sgd', learning-rate = 1.0 }
             learning-rate-schedule = { kind = 'polynomial', power = 1.0 }",
        );
        assert_rates(&rates(&spec, 2, 6), &[0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
    }

    #[test]
    fn past_its_end_a_schedule_stays_where_it_ended() {
        for (kind, end) in [("cosine", 0.0), ("polynomial", 0.0), ("one-cycle", 1.0 / 25.0 / 1e4)] {
            let spec = schedule(&format!(
                "epochs = 2
                 optimizer = {{ kind = 'sgd', learning-rate = 1.0 }}
                 learning-rate-schedule = {{ kind = '{kind}' }}"
            ));
            assert_rates(&[learning_rate(&spec, 100, 2)], &[end]);
        }
    }

    #[test]
    fn a_run_of_one_step_has_a_rate() {
        for kind in ["constant", "cosine", "polynomial", "one-cycle", "reduce-on-plateau"] {
            let spec =
                schedule(&format!("epochs = 1\nlearning-rate-schedule = {{ kind = '{kind}' }}"));
            let rate = learning_rate(&spec, 0, 1);
            assert!(rate > 0.0 && rate <= 1e-3, "{kind}: {rate}");
        }
    }

    #[test]
    fn a_warm_up_that_does_not_end_is_a_problem() {
        let spec = schedule("epochs = 3\nwarm-up-epochs = 3.0");
        assert_eq!(problems(&spec)[0].0, "schedule.warm-up-epochs");
        assert_eq!(problems(&schedule("epochs = 3\nwarm-up-epochs = 2.5")), []);
    }

    #[test]
    fn a_plateau_reduces_the_rate_down_to_its_minimum() {
        let spec = schedule(
            "optimizer = { kind = 'sgd', learning-rate = 0.5 }
             [learning-rate-schedule]
             kind = 'reduce-on-plateau'
             patience = 2
             factor = 0.1
             minimum = 0.025",
        );
        let mut plateau = plateau(&spec);
        let values = [2.0, 1.0, 1.0, f64::NAN, 1.0, 1.0, 0.5];
        let found: Vec<f64> = values.into_iter().map(|value| plateau.update(value)).collect();
        assert_rates(&found, &[1.0, 1.0, 1.0, 0.1, 0.1, 0.05, 0.05]);
    }

    #[test]
    fn a_minimum_above_the_rate_does_not_raise_it() {
        let spec = PlateauRate { minimum: 2.0, patience: 1, ..PlateauRate::default() };
        let mut plateau = Plateau::new(&spec, Goal::Lowest, 1.0);
        assert_eq!([plateau.update(1.0), plateau.update(1.0)], [1.0, 1.0]);
    }

    #[test]
    fn accumulated_batches_make_one_step() {
        let spec = schedule(
            "epochs = 2
             accumulate = 2
             optimizer = { kind = 'sgd', learning-rate = 1.0 }
             learning-rate-schedule = { kind = 'polynomial', power = 1.0 }",
        );
        let mut rate = Rate::new(spec, 3, SharedPlateau::default());
        let found: Vec<f64> = (0..4).map(|_| rate.step()).collect();
        assert_rates(&found, &[1.0, 0.75, 0.5, 0.25]);
    }

    #[test]
    fn a_record_restores_step_and_plateau_through_burns_scheduler() {
        let spec = schedule("epochs = 4\nlearning-rate-schedule = { kind = 'cosine' }");
        let mut scheduler =
            ModuleLrScheduler::new(Rate::new(spec.clone(), 2, SharedPlateau::default()));
        let shared = SharedPlateau::default();
        let mut saved = ModuleLrScheduler::new(Rate::new(spec, 2, shared.clone()));
        for _ in 0..3 {
            scheduler.step();
            saved.step();
        }
        shared.set(0.5);
        let bytes = saved.to_record().into_bytes().unwrap();
        let record = LrSchedulerRecord::from_bytes(bytes).unwrap();
        let mut scheduler = scheduler.load_record(record);
        let next = scheduler.step().base();
        assert_eq!(next, saved.step().base());
        assert_rates(&[next], &[1e-3 * 0.5 * (1.0 + (PI * 3.0 / 8.0).cos()) / 2.0]);
    }
}
