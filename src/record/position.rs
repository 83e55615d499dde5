//! Which of the runs of an experiment one is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sweep::in_a_line;

/// Which of the runs of an experiment and seed one is. A run is compared with earlier ones of its position alone, since
/// others have other test cases, or keys that a sweep sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Position {
    /// The fold that is the test split; `None` where the cases are not divided into folds.
    pub fold: Option<u32>,
    /// The seed of the division, where the spec asks for several.
    pub division: Option<u32>,
    /// Of a network that guides a classifier, the fold of its training cases whose masks it predicts.
    pub guide: Option<u32>,
    /// The keys that a trial of a sweep sets, with their values as TOML; empty of other runs, and of the one that is made
    /// with the keys that were chosen.
    pub trial: BTreeMap<String, String>,
    /// Of the average of runs, their seeds in ascending order; empty of a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub average: Vec<u32>,
}

impl Position {
    /// A run of it for a person, such as `busi-unet fold 2 seed 0`.
    pub fn name(&self, experiment: &str, seed: u32) -> String {
        let mut name = experiment.to_string();
        let numbers =
            [(" fold ", self.fold), (" of division ", self.division), (" guide fold ", self.guide)];
        for (what, number) in numbers {
            name.extend(number.map(|number| format!("{what}{number}")));
        }
        name += &match self.average.as_slice() {
            [] => format!(" seed {seed}"),
            seeds => {
                let seeds: Vec<String> = seeds.iter().map(u32::to_string).collect();
                format!(", average of seeds {}", seeds.join(", "))
            }
        };
        match self.trial.is_empty() {
            true => name,
            false => format!("{name}, {}", in_a_line(&self.trial)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_what_tells_it_from_others_of_its_experiment() {
        let trial = BTreeMap::from([("schedule.epochs".to_string(), "3".to_string())]);
        let of = |fold, division, guide| Position { fold, division, guide, ..Position::default() };
        assert_eq!(of(None, None, None).name("a", 4), "a seed 4");
        assert_eq!(of(Some(2), Some(7), None).name("a", 4), "a fold 2 of division 7 seed 4");
        assert_eq!(of(None, None, Some(1)).name("a", 4), "a guide fold 1 seed 4");
        let trial = Position { trial, ..of(Some(2), None, None) };
        assert_eq!(trial.name("a", 4), "a fold 2 seed 4, schedule.epochs = 3");
        let average = Position { average: vec![3, 4], ..of(Some(2), None, None) };
        assert_eq!(average.name("a", 3), "a fold 2, average of seeds 3, 4");
    }
}
