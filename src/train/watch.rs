//! The figures that decide: best epoch, plateau, early stopping.

use super::rate::{Plateau, SharedPlateau};
use super::stopping::Stopping;
use crate::error::{Error, Result};
use crate::evaluate::figure_goal;
use crate::figure_name::FigureName;
use crate::record::EpochRow;
use crate::spec::{Goal, RateSpec, ScheduleSpec};

/// A recorded figure and which way is better.
#[derive(Clone, Debug)]
struct Followed {
    name: FigureName,
    goal: Goal,
    /// Its decision, in words.
    decides: &'static str,
}

impl Followed {
    fn new(name: &str, decides: &'static str) -> Result<Self> {
        let known = name.parse().ok().zip(figure_goal(name));
        let (name, goal) = known.ok_or_else(|| {
            Error::user(format!("`{name}`, which is to decide {decides}, is no figure of an epoch"))
        })?;
        Ok(Self { name, goal, decides })
    }
}

/// The decision of an epoch's figures.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Training goes on.
    GoOn,
    /// It should stop, for a reason.
    Stop(String),
    /// It cannot go on, since a figure that decides is no finite number.
    NoNumber {
        /// The figure.
        figure: FigureName,
        /// Its value and its purpose, in words.
        what: String,
    },
}

/// The figures that decide, and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    follows: Followed,
    /// The best epoch so far, and its figure.
    pub best: Option<(u32, f64)>,
    stopping: Option<(Followed, Stopping)>,
    plateau: Option<(Followed, Plateau)>,
}

impl Watch {
    /// Before the first epoch.
    ///
    /// # Errors
    /// If training does not record a figure.
    pub(super) fn new(schedule: &ScheduleSpec) -> Result<Self> {
        let follows = Followed::new(&schedule.best.metric, "the best epoch")?;
        let plateau = match &schedule.learning_rate_schedule {
            RateSpec::ReduceOnPlateau(spec) => {
                let followed = Followed::new(&spec.metric, "the learning rate")?;
                let rate = schedule.optimizer.learning_rate();
                let plateau = Plateau::new(spec, followed.goal, rate);
                Some((followed, plateau))
            }
            _ => None,
        };
        let stopping = match &schedule.early_stopping {
            Some(spec) => {
                let followed = Followed::new(&spec.metric, "when to stop")?;
                let stopping = Stopping::new(spec, followed.goal);
                Some((followed, stopping))
            }
            None => None,
        };
        Ok(Self { follows, best: None, stopping, plateau })
    }

    /// Adds an epoch.
    pub(super) fn see(&mut self, rows: &[EpochRow], epoch: u32, shared: &SharedPlateau) -> Verdict {
        let stopping = self.stopping.iter().map(|(followed, _)| followed);
        let plateau = self.plateau.iter().map(|(followed, _)| followed);
        for followed in std::iter::once(&self.follows).chain(stopping).chain(plateau) {
            let value = figure(rows, epoch, &followed.name);
            if !value.is_finite() {
                let Followed { name, decides, .. } = followed;
                return Verdict::NoNumber {
                    figure: name.clone(),
                    what: format!("{name}, which decides {decides}, is {value} in epoch {epoch}"),
                };
            }
        }
        let value = figure(rows, epoch, &self.follows.name);
        if self.best.is_none_or(|(_, old)| self.follows.goal.improves(value, old)) {
            self.best = Some((epoch, value));
        }
        if let Some((followed, plateau)) = &mut self.plateau {
            shared.set(plateau.update(figure(rows, epoch, &followed.name)));
        }
        let Some((followed, stopping)) = &mut self.stopping else { return Verdict::GoOn };
        if !stopping.update(figure(rows, epoch, &followed.name)) {
            return Verdict::GoOn;
        }
        Verdict::Stop(format!("{} {}", followed.name, stopping.reason()))
    }

    /// The best epoch so far.
    pub(super) fn best_epoch(&self) -> Option<u32> {
        self.best.map(|(epoch, _)| epoch)
    }
}

/// The value of a figure such as `valid.loss` in an epoch; NaN where it was not recorded.
pub(super) fn figure(rows: &[EpochRow], epoch: u32, name: &FigureName) -> f64 {
    rows.iter()
        .find(|row| row.epoch == epoch && row.split == name.split)
        .and_then(|row| row.figures.get(&name.figure).copied())
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::{EarlyStoppingSpec, PlateauRate};

    /// A schedule in which one figure decides everything, its direction left out.
    fn schedule(metric: &str, patience: u32) -> ScheduleSpec {
        let mut schedule = ScheduleSpec::default();
        schedule.best.metric = metric.into();
        schedule.early_stopping = Some(EarlyStoppingSpec {
            metric: metric.into(),
            goal: None,
            patience,
            minimum_change: 0.0,
        });
        schedule.learning_rate_schedule = RateSpec::ReduceOnPlateau(PlateauRate {
            metric: metric.into(),
            patience,
            ..PlateauRate::default()
        });
        schedule
    }

    fn rows(metric: &str, values: &[f64]) -> Vec<EpochRow> {
        let FigureName { split, figure } = metric.parse().unwrap();
        let row = |(epoch, &value): (u32, &f64)| EpochRow {
            epoch,
            split,
            learning_rate: 1e-3,
            figures: [(figure.clone(), value)].into(),
        };
        (1..).zip(values).map(row).collect()
    }

    /// The best epoch, how the last epoch seen ended, and what the rate is multiplied by.
    fn watched(metric: &str, patience: u32, values: &[f64]) -> (Option<u32>, Verdict, f64) {
        let mut watch = Watch::new(&schedule(metric, patience)).unwrap();
        let (rows, shared) = (rows(metric, values), SharedPlateau::default());
        let mut verdict = Verdict::GoOn;
        for epoch in 1..=values.len() as u32 {
            verdict = watch.see(&rows, epoch, &shared);
            if verdict != Verdict::GoOn {
                break;
            }
        }
        (watch.best_epoch(), verdict, shared.get())
    }

    #[test]
    fn a_rising_dice_is_better_and_a_rising_loss_or_distance_worse() {
        let rising = [0.1, 0.2, 0.3, 0.4];
        for metric in ["valid.dice.lesion", "valid.image-auc.macro", "valid.accuracy"] {
            assert_eq!(watched(metric, 2, &rising), (Some(4), Verdict::GoOn, 1.0), "{metric}");
        }
        for metric in ["valid.loss", "train.loss", "valid.hd95.mean"] {
            let (best, verdict, rate) = watched(metric, 2, &rising);
            assert_eq!((best, rate), (Some(1), 0.1), "{metric}");
            let Verdict::Stop(why) = verdict else { panic!("{metric} goes on") };
            assert_eq!(why, format!("{metric} has not improved for 2 epochs"));
        }
    }

    #[test]
    fn a_deciding_figure_that_is_no_number_is_reported_at_its_epoch() {
        for (value, said) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let (best, verdict, _) = watched("valid.loss", 9, &[0.5, value, 0.1]);
            assert_eq!(best, Some(1));
            let Verdict::NoNumber { figure, what } = verdict else { panic!("{verdict:?}") };
            assert_eq!(figure.to_string(), "valid.loss");
            assert_eq!(
                what,
                format!("valid.loss, which decides the best epoch, is {said} in epoch 2")
            );
        }
    }

    #[test]
    fn a_figure_that_no_metric_has_is_refused() {
        assert_eq!(Watch::new(&schedule("valid.perplexity", 1)).unwrap_err().exit_code(), 2);
    }

    proptest! {
        /// Whatever the metric, the epoch that is kept has the best value of all, the first of equals.
        #[test]
        fn the_epoch_kept_is_never_beaten(
            metric in prop::sample::select(vec!["valid.loss", "valid.dice.mean", "valid.iou.lesion", "train.loss"]),
            values in prop::collection::vec((0u8..20).prop_map(f64::from), 1..12),
        ) {
            let (best, ..) = watched(metric, 100, &values);
            let mut order: Vec<usize> = (0..values.len()).collect();
            let sign = if metric.ends_with("loss") { 1.0 } else { -1.0 };
            order.sort_by(|&a, &b| (sign * values[a]).total_cmp(&(sign * values[b])));
            prop_assert_eq!(best, Some(order[0] as u32 + 1));
        }
    }
}
