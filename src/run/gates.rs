//! The gates of a spec, judged by the figures of a run, the baseline and earlier runs.

use std::path::{Path, PathBuf};

use crate::baseline::{Baseline, Whose};
use crate::error::{Error, Result};
use crate::evaluate::figure_goal;
use crate::figure_name::{FigureName, NoFigureName};
use crate::plan::Plan;
use crate::record::{
    COST, Figure, Gate, Position, Provenance, Record, Reference, RunDir, TimesRow, finished_at,
    with_cost,
};
use crate::spec::{Against, GateSpec, JudgedCases, Spec};

/// The gates of a plan, judged by what its run has recorded.
///
/// # Errors
/// As [`gates`], or if the run cannot be read.
pub(super) fn gates_of_run(plan: &Plan, run: &RunDir) -> Result<Vec<Gate>> {
    let (figures, times, made) =
        (run.read::<Vec<Figure>>()?, run.read::<Vec<TimesRow>>()?, run.read::<Provenance>()?);
    gates(&plan.decisions.spec, &Judged::new(plan), &with_cost(&figures, &times, &made))
}

/// The gates of a plan, judged by the record of its run.
///
/// # Errors
/// As [`gates`].
pub(super) fn gates_of_record(plan: &Plan, record: &Record) -> Result<Vec<Gate>> {
    let figures = with_cost(&record.figures, &record.times, &record.provenance);
    gates(&plan.decisions.spec, &Judged::new(plan), &figures)
}

/// The run that is judged.
#[derive(Default)]
struct Judged {
    seed: u32,
    position: Position,
    folder: PathBuf,
}

impl Judged {
    fn new(plan: &Plan) -> Self {
        let (seed, position) = (plan.decisions.seed, plan.position.clone());
        Self { seed, position, folder: plan.folder() }
    }
}

/// The gates of a spec against the figures of a run; those of all folds come last and are not judged yet.
///
/// # Errors
/// If a gate does not name a figure, or what it compares with cannot be read.
fn gates(spec: &Spec, run: &Judged, figures: &[Figure]) -> Result<Vec<Gate>> {
    let judged = |(name, bound): (&String, &GateSpec)| {
        let name: FigureName =
            name.parse().map_err(|error: NoFigureName| Error::user(error.to_string()))?;
        let reference = reference(&name, bound, spec, run)?;
        // What is of all folds is no figure of the run.
        let figures = if bound.of.are_of_each_run() { figures } else { &[] };
        Ok(Gate::judged(name, bound, reference, figures))
    };
    // An average has no training, which could take time.
    let is_average = !run.position.average.is_empty();
    let is_of = |name: &str| !(is_average && COST.contains(&name));
    let bounds = spec.gate.iter().filter(|(name, _)| is_of(name));
    let mut gates: Vec<Gate> = bounds.map(judged).collect::<Result<_>>()?;
    gates.sort_by_key(|gate| gate.of);
    Ok(gates)
}

/// What a gate compares a figure with, beside its bounds.
fn reference(
    name: &FigureName,
    bound: &GateSpec,
    spec: &Spec,
    run: &Judged,
) -> Result<Option<Reference>> {
    let Some(worse_at_most) = bound.worse_at_most else { return Ok(None) };
    let full = name.to_string();
    let Some(goal) = figure_goal(&full) else {
        let why = format!("gate.\"{full}\": it is not known whether higher or lower is better");
        return Err(Error::user(why));
    };
    let against = bound.against.unwrap_or_default();
    let (of, value) = match against {
        Against::Baseline => {
            let path = &spec.run.baseline;
            let baseline = Baseline::read(Path::new(path))?;
            let is_average = !run.position.average.is_empty();
            let whose = match bound.of {
                JudgedCases::EachRun => Whose::of_run(run.seed, is_average),
                JudgedCases::AllFolds => Whose::of_folds(is_average),
            };
            let accepted = baseline.accepted(&spec.name, whose);
            (path.clone(), accepted.and_then(|accepted| accepted.figures.get(name).copied()))
        }
        Against::LastRun => match last_accepted(run)? {
            Some(run) => {
                let figures = with_cost(&run.figures, &run.times, &run.provenance);
                let figure = figures.iter().find(|figure| figure.has_name(name));
                let value = figure.map(|figure| figure.value).filter(|value| !value.is_nan());
                (run.path.display().to_string(), value)
            }
            None => ("an earlier run".into(), None),
        },
    };
    Ok(Some(Reference { against, of, value, worse_at_most, goal }))
}

/// The record of the last other finished run of the same seed and position whose gates hold.
fn last_accepted(Judged { seed, position, folder }: &Judged) -> Result<Option<Record>> {
    let Some(experiment) = folder.parent() else { return Ok(None) };
    let is_other = |id: &str| folder.file_name() != Some(id.as_ref());
    let accepted =
        finished_at(experiment, *seed, position, is_other)?.find(|run| run.fallen.is_empty());
    accepted.map(|run| Record::read(run.path)).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::outcome::Outcome;
    use super::*;
    use crate::baseline::Baseline;
    use crate::record::{Record, RunState, Status};
    use crate::split_name::SplitName;

    fn spec_with(gates: &[(&str, Option<f64>, Option<f64>)]) -> Spec {
        let text = "name = \"g\"\n[dataset]\nkind = \"phantom\"\n[model]\nkind = \"unet\"\n";
        let mut spec: Spec = toml::from_str(text).unwrap();
        for &(name, at_least, at_most) in gates {
            let bound = GateSpec { at_least, at_most, ..GateSpec::default() };
            spec.gate.insert(name.into(), bound);
        }
        spec
    }

    /// The gates of a spec, of which none compares with other runs.
    fn judged(spec: &Spec, figures: &[Figure]) -> Result<Vec<Gate>> {
        gates(spec, &Judged::default(), figures)
    }

    #[test]
    fn gates_hold_at_their_bound_and_fall_beyond_it_or_without_a_figure() {
        let spec = spec_with(&[
            ("test.dice.mean", Some(0.7), None),
            ("test.hd95.mean", None, Some(9.0)),
            ("test.iou.mean", Some(0.1), None),
            ("test.auc.mean", Some(0.1), None),
        ]);
        let figure = |name: &str, value| Figure {
            split: SplitName::Test,
            name: name.into(),
            value,
            ..Figure::default()
        };
        let figures =
            [figure("dice.mean", 0.7), figure("hd95.mean", 9.5), figure("auc.mean", f64::NAN)];
        let held: Vec<(String, bool)> = judged(&spec, &figures)
            .unwrap()
            .into_iter()
            .map(|gate| (gate.figure.to_string(), gate.held))
            .collect();
        let expected = [
            ("test.auc.mean", false),
            ("test.dice.mean", true),
            ("test.hd95.mean", false),
            ("test.iou.mean", false),
        ];
        assert_eq!(held, expected.map(|(name, held)| (name.to_string(), held)));
    }

    #[test]
    fn an_average_is_not_judged_by_what_training_took() {
        let spec = spec_with(&[(COST[0], None, Some(9.0)), ("test.dice.mean", Some(0.7), None)]);
        let of = |average: &[u32]| {
            let position = Position { average: average.to_vec(), ..Position::default() };
            gates(&spec, &Judged { position, ..Judged::default() }, &[]).unwrap().len()
        };
        assert_eq!((of(&[]), of(&[0, 1])), (2, 1));
    }

    fn bound() -> impl Strategy<Value = Option<f64>> {
        prop::option::of(prop::sample::select(vec![0.0, 0.3, 0.5, 1.0]))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn record_outcome_and_page_judge_gates_alike_whatever_was_written_of_them(
            bounds in prop::collection::vec((0..4usize, bound(), bound()), 1..4),
            values in prop::collection::vec(prop::option::of(prop::sample::select(vec![0.0, 0.3, 0.4, 1.0, f64::NAN])), 4),
            forged in any::<bool>(),
        ) {
            let name = |index: usize| format!("test.figure{index}");
            let named: Vec<(String, Option<f64>, Option<f64>)> =
                bounds.iter().map(|(index, least, most)| (name(*index), *least, *most)).collect();
            let named: Vec<(&str, Option<f64>, Option<f64>)> =
                named.iter().map(|(name, least, most)| (name.as_str(), *least, *most)).collect();
            let spec = spec_with(&named);
            let figures: Vec<Figure> = values
                .iter()
                .enumerate()
                .filter_map(|(index, value)| {
                    Some(Figure { split: SplitName::Test, name: format!("figure{index}"), value: (*value)?, ..Figure::default() })
                })
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let run = RunDir::create(folder.path(), "a", "0").unwrap();
            run.write(&figures).unwrap();
            run.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
            let judged = judged(&spec, &figures).unwrap();
            // By hand: a figure holds that is there, a number, and within its bounds.
            for gate in &judged {
                let index: usize = gate.figure.figure["figure".len()..].parse().unwrap();
                let (least, most) = (gate.at_least.unwrap_or(f64::MIN), gate.at_most.unwrap_or(f64::MAX));
                let holds = values[index].is_some_and(|value| (least..=most).contains(&value));
                prop_assert_eq!(gate.held, holds);
            }
            let written: Vec<Gate> =
                judged.iter().map(|gate| Gate { held: gate.held != forged, ..gate.clone() }).collect();
            run.write(&written).unwrap();
            drop(run);
            let path = folder.path().join("a/0");
            let record = Record::read(&path).unwrap();
            prop_assert_eq!(&record.gates, &judged);
            let outcome = Outcome::read(path, true).unwrap();
            prop_assert_eq!(outcome.held(), judged.iter().all(|gate| gate.held));
            prop_assert_eq!(&outcome.gates, &judged);
            let fallen = judged.iter().filter(|gate| !gate.held).count();
            prop_assert_eq!(crate::report::markdown(&[record], &Baseline::default()).matches("gate fell").count(), fallen);
        }
    }
}
