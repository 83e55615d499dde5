//! `gates.json`: bounds of figures, and whether they hold.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::figures::Figure;
use crate::figure_name::FigureName;

/// A bound on a figure and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The figure.
    pub figure: FigureName,
    /// The figure must not be below this.
    pub at_least: Option<f64>,
    /// The figure must not be above this.
    pub at_most: Option<f64>,
    /// Value of the figure; `None` if it was not recorded or is undefined.
    pub value: Option<f64>,
    /// Whether the bound held.
    #[serde(default)]
    pub held: bool,
}

json_file!(Vec<Gate>, "gates.json");

impl Gate {
    /// Judges a bound by the recorded figures, which is the only way to judge it. It falls where the figure is missing or
    /// undefined.
    pub fn judged(
        figure: FigureName,
        at_least: Option<f64>,
        at_most: Option<f64>,
        figures: &[Figure],
    ) -> Self {
        let found = figures.iter().find(|one| one.has_name(&figure));
        let value = found.map(|one| one.value).filter(|value| !value.is_nan());
        let held = value.is_some_and(|value| {
            at_least.is_none_or(|least| value >= least) && at_most.is_none_or(|most| value <= most)
        });
        Self { figure, at_least, at_most, value, held }
    }

    /// Judges the recorded bound again; the recorded verdict does not count.
    pub(super) fn judged_by(self, figures: &[Figure]) -> Self {
        Self::judged(self.figure, self.at_least, self.at_most, figures)
    }
}
