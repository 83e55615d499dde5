//! `gates.json`: bounds of figures, and whether they hold.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::figures::{Figure, Interval};
use super::provenance::Provenance;
use super::times::TimesRow;
use crate::figure_name::{FigureName, PEAK_MEMORY_MIB, SECONDS};
use crate::spec::{Against, GateSpec, Goal, JudgedCases, JudgedNumber};
use crate::split_name::SplitName;

/// The full names of the figures of what training took, which gates may be about: seconds of its epochs, and the most memory
/// of the process, in MiB.
pub const COST: [&str; 2] = ["train.seconds", "train.peak-memory-mib"];

/// A bound on a figure and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The figure.
    pub figure: FigureName,
    /// The figure must not be below this.
    pub at_least: Option<f64>,
    /// The figure must not be above this.
    pub at_most: Option<f64>,
    /// The figure must not be much worse than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Whose figure is compared.
    #[serde(default, skip_serializing_if = "JudgedCases::are_of_each_run")]
    pub of: JudgedCases,
    /// Which number of the figure is compared.
    #[serde(default, skip_serializing_if = "JudgedNumber::is_value")]
    pub on: JudgedNumber,
    /// Value of the figure; `None` if it was not recorded or is undefined.
    pub value: Option<f64>,
    /// Its 95 % interval, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Whether the bound held.
    #[serde(default)]
    pub held: bool,
}

json_file!(Vec<Gate>, "gates.json");

/// A figure that another must not be much worse than.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// What it is of.
    pub against: Against,
    /// The file or run directory that has it, or would have it.
    pub of: String,
    /// Its value; `None` if there is none.
    pub value: Option<f64>,
    /// By how much the other may be worse.
    pub worse_at_most: f64,
    /// Which way is better.
    pub goal: Goal,
}

impl Reference {
    /// Whether a number is not much worse. Without a baseline none is; without an earlier run each is.
    fn allows(&self, number: f64) -> bool {
        match (self.value, self.goal) {
            (None, _) => self.against == Against::LastRun,
            (Some(value), Goal::Highest) => number >= value - self.worse_at_most,
            (Some(value), Goal::Lowest) => number <= value + self.worse_at_most,
        }
    }
}

impl Gate {
    /// Judges a bound by the recorded figures, which is the only way to judge it. It falls where the figure, or the end of
    /// its interval that is compared, is missing or undefined.
    pub fn judged(
        figure: FigureName,
        bound: &GateSpec,
        reference: Option<Reference>,
        figures: &[Figure],
    ) -> Self {
        let GateSpec { at_least, at_most, of, on, .. } = *bound;
        let found = figures.iter().find(|one| one.has_name(&figure));
        let value = found.map(|one| one.value).filter(|value| !value.is_nan());
        let interval = found.and_then(|one| one.interval);
        let mut gate =
            Self { figure, at_least, at_most, reference, of, on, value, interval, held: false };
        gate.held = gate.number().is_some_and(|number| {
            at_least.is_none_or(|least| number >= least)
                && at_most.is_none_or(|most| number <= most)
                && gate.reference.as_ref().is_none_or(|reference| reference.allows(number))
        });
        gate
    }

    /// The number that is compared with the bounds; `None` if there is none.
    pub fn number(&self) -> Option<f64> {
        let number = match self.on {
            JudgedNumber::Value => self.value,
            JudgedNumber::Low => self.interval.map(|interval| interval.low),
            JudgedNumber::High => self.interval.map(|interval| interval.high),
        };
        number.filter(|number| !number.is_nan())
    }

    /// Judges the recorded bound again; the recorded verdict does not count.
    pub fn judged_by(self, figures: &[Figure]) -> Self {
        let Self { at_least, at_most, of, on, .. } = self;
        let bound = GateSpec { at_least, at_most, of, on, ..GateSpec::default() };
        Self::judged(self.figure, &bound, self.reference, figures)
    }
}

/// The gates of a run, judged by its figures, and those of all folds, which a run alone cannot judge.
pub(super) fn parted(gates: Vec<Gate>, figures: &[Figure]) -> (Vec<Gate>, Vec<Gate>) {
    let (own, of_folds): (Vec<Gate>, Vec<Gate>) =
        gates.into_iter().partition(|gate| gate.of.are_of_each_run());
    (own.into_iter().map(|gate| gate.judged_by(figures)).collect(), of_folds)
}

/// The recorded figures with those of what training took.
pub fn with_cost(figures: &[Figure], times: &[TimesRow], provenance: &Provenance) -> Vec<Figure> {
    let peaks = provenance.sessions.iter().filter_map(|session| session.peak_memory_bytes);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let seconds = (!times.is_empty()).then(|| times.iter().map(|row| row.train_s).sum());
    let cost = [(SECONDS, seconds), (PEAK_MEMORY_MIB, peaks.max().map(mib))];
    let figure = |(name, value): (&str, Option<f64>)| {
        let (split, name) = (SplitName::Train, name.to_string());
        Some(Figure { split, name, value: value?, ..Figure::default() })
    };
    figures.iter().cloned().chain(cost.into_iter().filter_map(figure)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Session;

    const NAME: &str = "test.dice.mean";

    fn figure(value: f64, interval: Option<(f64, f64)>) -> Figure {
        let interval = interval.map(|(low, high)| Interval { low, high });
        let (split, name) = (SplitName::Test, "dice.mean".into());
        Figure { split, name, value, interval, ..Figure::default() }
    }

    fn holds(bound: &GateSpec, reference: Option<Reference>, figure: Figure) -> bool {
        Gate::judged(NAME.parse().unwrap(), bound, reference, &[figure]).held
    }

    #[test]
    fn an_end_of_the_interval_is_compared_where_that_is_asked_for_and_must_be_there() {
        let bound = |on| GateSpec { at_least: Some(0.5), on, ..GateSpec::default() };
        let wide = || figure(0.6, Some((0.4, 0.8)));
        assert!(holds(&bound(JudgedNumber::Value), None, wide()));
        assert!(!holds(&bound(JudgedNumber::Low), None, wide()));
        let low = figure(0.45, Some((0.4, 0.5)));
        assert!(!holds(&bound(JudgedNumber::Value), None, low.clone()));
        assert!(holds(&bound(JudgedNumber::High), None, low));
        assert!(!holds(&bound(JudgedNumber::High), None, figure(0.9, None)));
    }

    #[test]
    fn a_figure_may_be_worse_than_the_reference_by_so_much_and_better_by_any() {
        let of = |value, goal, against| {
            Some(Reference { against, of: "b".into(), value, worse_at_most: 0.25, goal })
        };
        let highest = |value| of(Some(value), Goal::Highest, Against::Baseline);
        let lowest = |value| of(Some(value), Goal::Lowest, Against::Baseline);
        let bound = GateSpec::default();
        let holds = |reference| holds(&bound, reference, figure(0.5, None));
        assert!(holds(highest(0.75)) && holds(highest(0.1)) && !holds(highest(0.76)));
        assert!(holds(lowest(0.25)) && holds(lowest(0.9)) && !holds(lowest(0.24)));
        assert!(!holds(of(None, Goal::Highest, Against::Baseline)));
        assert!(holds(of(None, Goal::Highest, Against::LastRun)));
    }

    #[test]
    fn what_training_took_is_the_seconds_of_its_epochs_and_the_highest_peak() {
        let row = |epoch, train_s| TimesRow { epoch, train_s, valid_s: 9.0 };
        let session = |peak_memory_bytes| Session { peak_memory_bytes, ..Session::default() };
        let sessions = [Some(3 << 20), None, Some(2 << 20)].map(session).to_vec();
        let provenance = Provenance { sessions, ..Provenance::default() };
        let found = with_cost(&[], &[row(1, 1.5), row(2, 0.5)], &provenance);
        let named: Vec<(String, f64)> =
            found.iter().map(|one| (one.full_name().to_string(), one.value)).collect();
        assert_eq!(named, [(COST[0].into(), 2.0), (COST[1].into(), 3.0)]);
        assert!(with_cost(&[], &[], &Provenance::default()).is_empty());
    }
}
