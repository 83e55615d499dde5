//! Early stopping, and the patience it shares with reduce-on-plateau.

use serde::{Deserialize, Serialize};

use crate::spec::{EarlyStoppingSpec, Goal};

/// Epochs without improvement of a figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patience {
    /// The best value so far.
    pub best: Option<f64>,
    /// Epochs since then.
    pub waited: u32,
}

impl Patience {
    /// Adds an epoch's value; says whether it beats the best so far by more than `minimum_change`.
    /// The first number does; NaN never does.
    pub(super) fn observe(&mut self, goal: Goal, minimum_change: f64, value: f64) -> bool {
        let bar = self.best.map(|best| match goal {
            Goal::Lowest => best - minimum_change,
            Goal::Highest => best + minimum_change,
        });
        let improved = bar.map_or(!value.is_nan(), |bar| goal.improves(value, bar));
        if improved {
            *self = Self { best: Some(value), waited: 0 };
        } else {
            self.waited = self.waited.saturating_add(1);
        }
        improved
    }
}

/// Early stopping: training ends once a figure has not improved for `patience` epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stopping {
    spec: EarlyStoppingSpec,
    goal: Goal,
    patience: Patience,
}

impl Stopping {
    /// Before the first epoch, with the direction of the spec's figure.
    pub(super) fn new(spec: &EarlyStoppingSpec, goal: Goal) -> Self {
        Self { spec: spec.clone(), goal, patience: Patience::default() }
    }

    /// Adds an epoch's value of the spec's figure; says whether training should stop now.
    pub(super) fn update(&mut self, value: f64) -> bool {
        self.patience.observe(self.goal, self.spec.minimum_change, value);
        self.patience.waited >= self.spec.patience
    }

    /// Why training should stop.
    pub(super) fn reason(&self) -> String {
        let EarlyStoppingSpec { patience, minimum_change, .. } = &self.spec;
        let by = match minimum_change {
            least if *least > 0.0 => format!(" by more than {least}"),
            _ => String::new(),
        };
        format!("has not improved{by} for {patience} epochs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopping(goal: Goal, minimum_change: f64) -> Stopping {
        let metric = "valid.loss".into();
        let spec = EarlyStoppingSpec { metric, goal: None, patience: 2, minimum_change };
        Stopping::new(&spec, goal)
    }

    fn stops(goal: Goal, minimum_change: f64, values: &[f64]) -> Option<usize> {
        let mut stopping = stopping(goal, minimum_change);
        values.iter().position(|&value| stopping.update(value))
    }

    #[test]
    fn training_stops_after_patience_epochs_without_improvement() {
        assert_eq!(stops(Goal::Lowest, 0.0, &[3.0, 2.0, 2.0, 2.5, 1.0]), Some(3));
        assert_eq!(stops(Goal::Lowest, 0.0, &[3.0, 2.0, 2.0, 1.9, 1.9, 1.8]), None);
        assert_eq!(stops(Goal::Highest, 0.0, &[0.1, 0.3, 0.2, 0.25]), Some(3));
    }

    #[test]
    fn smaller_changes_are_no_improvement_but_may_add_up() {
        assert_eq!(stops(Goal::Lowest, 0.5, &[3.0, 2.6, 2.5]), Some(2));
        assert_eq!(stops(Goal::Lowest, 0.5, &[3.0, 2.6, 2.4, 2.3]), None);
    }

    #[test]
    fn the_reason_says_what_counts_as_an_improvement() {
        let reason = |change| stopping(Goal::Lowest, change).reason();
        assert_eq!(reason(0.0), "has not improved for 2 epochs");
        assert_eq!(reason(0.2), "has not improved by more than 0.2 for 2 epochs");
    }

    #[test]
    fn nan_is_no_improvement_and_no_best() {
        assert_eq!(stops(Goal::Lowest, 0.0, &[f64::NAN, f64::NAN]), Some(1));
        assert_eq!(stops(Goal::Lowest, 0.0, &[f64::NAN, 2.0, f64::NAN, 1.0]), None);
    }

    #[test]
    fn the_state_survives_a_checkpoint() {
        let mut stopping = stopping(Goal::Lowest, 0.0);
        stopping.update(0.1 + 0.2);
        assert!(!stopping.update(1.0));
        let saved = serde_json::to_string(&stopping).unwrap();
        let mut resumed: Stopping = serde_json::from_str(&saved).unwrap();
        assert_eq!(resumed, stopping);
        assert!(resumed.update(1.0));
    }
}
