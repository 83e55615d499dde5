//! Names of figures that a spec may use, and help with unknown names.

use crate::evaluate::figure_goal;
use crate::figure_name::MASK_DICE;
use crate::spec::{GateSpec, Goal, MetricKind, RateSpec, ScheduleSpec};
use crate::split_name::SplitName;

/// A figure that training decides by.
pub(super) struct Deciding<'a> {
    /// The table that names it, such as `schedule.best`.
    pub table: &'static str,
    /// Its name.
    pub metric: &'a str,
    /// The direction that the spec gives.
    pub goal: Option<Goal>,
}

/// The figures that decide by a schedule: best epoch, early stopping, plateau.
pub(super) fn deciding(schedule: &ScheduleSpec) -> Vec<Deciding<'_>> {
    let best = &schedule.best;
    let mut all = vec![Deciding { table: "schedule.best", metric: &best.metric, goal: best.goal }];
    if let Some(stopping) = &schedule.early_stopping {
        let (metric, goal) = (stopping.metric.as_str(), stopping.goal);
        all.push(Deciding { table: "schedule.early-stopping", metric, goal });
    }
    if let RateSpec::ReduceOnPlateau(plateau) = &schedule.learning_rate_schedule {
        let (metric, goal) = (plateau.metric.as_str(), plateau.goal);
        all.push(Deciding { table: "schedule.learning-rate-schedule", metric, goal });
    }
    all
}

/// Writes the direction of each figure that decides beside its name, so that a plan leaves none open.
pub(super) fn settle(schedule: &mut ScheduleSpec) {
    schedule.best.goal = figure_goal(&schedule.best.metric);
    if let Some(stopping) = &mut schedule.early_stopping {
        stopping.goal = figure_goal(&stopping.metric);
    }
    if let RateSpec::ReduceOnPlateau(plateau) = &mut schedule.learning_rate_schedule {
        plateau.goal = figure_goal(&plateau.metric);
    }
}

/// The problem of a direction that is not the figure's.
pub(super) fn wrong_goal(metric: &str, said: Option<Goal>) -> Option<String> {
    let (said, has) = (said?, figure_goal(metric)?);
    (said != has).then(|| {
        let better = better(has);
        format!(
            "{better} is better for `{metric}`, so its goal is \"{has}\", not \"{said}\"; leave `goal` out"
        )
    })
}

/// The problem of a gate whose only bound holds the better, the worse the figure is.
pub(super) fn wrong_bound(figure: &str, gate: &GateSpec) -> Option<String> {
    let goal = figure_goal(figure)?;
    if gate.worse_at_most.is_some() {
        return None;
    }
    let (bound, right) = match (gate.at_least, gate.at_most, goal) {
        (Some(_), None, Goal::Lowest) => ("at-least", "at-most"),
        (None, Some(_), Goal::Highest) => ("at-most", "at-least"),
        _ => return None,
    };
    let better = better(goal);
    Some(format!(
        "{better} is better for `{figure}`, and `{bound}` alone holds for its worst values: give \
         `{right}`, or both"
    ))
}

fn better(goal: Goal) -> &'static str {
    match goal {
        Goal::Lowest => "lower",
        Goal::Highest => "higher",
    }
}

/// Help with an unknown name: the nearest figure, and all figures.
pub(super) fn help(name: &str, recorded: &[String]) -> Option<String> {
    let there = list(recorded)?;
    let meant = nearest(name, recorded);
    Some(match meant {
        Some(meant) => format!("did you mean `{meant}`? {there}"),
        None => there,
    })
}

/// The figures there are, such as ``figures are `train.` or `valid.`, then loss, {dice, iou}.{mean, lesion}``;
/// `None` where there is none.
fn list(recorded: &[String]) -> Option<String> {
    let mut splits: Vec<String> = Vec::new();
    // The metrics in order, each with what may follow it.
    let mut metrics: Vec<(&str, Vec<&str>)> = Vec::new();
    for (split, name) in recorded.iter().filter_map(|full| full.split_once('.')) {
        let quoted = format!("`{split}.`");
        if !splits.contains(&quoted) {
            splits.push(quoted);
        }
        let (metric, rest) = name.split_once('.').unwrap_or((name, ""));
        match metrics.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, rests)) if rests.contains(&rest) => {}
            Some((_, rests)) => rests.push(rest),
            None => metrics.push((metric, vec![rest])),
        }
    }
    let mut alike: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for (metric, rests) in metrics {
        match alike.iter_mut().find(|(_, known)| *known == rests) {
            Some((names, _)) => names.push(metric),
            None => alike.push((vec![metric], rests)),
        }
    }
    let groups: Vec<String> = alike
        .into_iter()
        .flat_map(|(names, rests)| match rests.as_slice() {
            [""] => names.into_iter().map(String::from).collect(),
            rests => vec![format!("{}.{}", braced(&names), braced(rests))],
        })
        .collect();
    (!groups.is_empty())
        .then(|| format!("figures begin with {}, then {}", splits.join(" or "), groups.join(", ")))
}

fn braced(words: &[&str]) -> String {
    match words {
        [only] => (*only).to_owned(),
        words => format!("{{{}}}", words.join(", ")),
    }
}

/// Other names of splits and of lesions, and ours; a metric's row has those of the metric.
const ALSO_NAMED: [(&str, &str); 6] = [
    ("val", "valid"),
    ("validation", "valid"),
    ("dev", "valid"),
    ("training", "train"),
    ("testing", "test"),
    ("foreground", "lesion"),
];

/// Our name for a word that other tools use.
fn ours(word: &str) -> &str {
    let metric = MetricKind::ALL.into_iter().find(|kind| kind.row().also_named.contains(&word));
    let other = ALSO_NAMED.iter().find(|(other, _)| *other == word);
    metric.map(MetricKind::name).or(other.map(|(_, ours)| *ours)).unwrap_or(word)
}

/// The recorded figure that a name is nearest to, word by word; `None` where no word is like any.
///
/// Of several as near, the first by what it says most of lesions: `dice.lesion` before `dice.mean`, on which normal
/// images weigh.
fn nearest<'r>(name: &str, recorded: &'r [String]) -> Option<&'r String> {
    let typed = words(name);
    let likeness = |known: &String| -> f64 {
        let there = words(known);
        let like = |word: &String| {
            let likes = there.iter().map(|other| alike(word, other));
            likes.fold(0.0, f64::max)
        };
        let matched: f64 = typed.iter().map(like).sum();
        // Nothing is gained by a long name, of whose words some is always like one that was typed.
        let split = typed.first().zip(there.first()).map_or(0.0, |(a, b)| alike(a, b));
        matched + split - 0.01 * there.len().abs_diff(typed.len()) as f64
    };
    let rank = |known: &String| match known.split('.').nth(2) {
        None | Some("lesion" | "macro") => 0,
        Some("mean") => 1,
        Some("pooled") => 2,
        Some(_) => 3,
    };
    let mut best: Option<(&String, f64)> = None;
    for known in recorded {
        let likeness = likeness(known);
        let beats = best.is_none_or(|(old, highest)| {
            let as_good = (likeness - highest).abs() < 1e-9;
            if as_good { rank(known) < rank(old) } else { likeness > highest }
        });
        if likeness > LEAST_LIKENESS && beats {
            best = Some((known, likeness));
        }
    }
    best.map(|(known, _)| known)
}

/// Words that are less alike are different words.
const LEAST_LIKENESS: f64 = 0.7;

/// How much two words are alike, 0 for too little.
fn alike(typed: &str, known: &str) -> f64 {
    if typed.len() > 100 {
        return 0.0;
    }
    let likeness = strsim::normalized_damerau_levenshtein(typed, known);
    if likeness >= 0.6 { likeness } else { 0.0 }
}

/// The words of a name, as ours are written.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let parts = lower.split(['.', '_', '/', ' ', ':']);
    // The hyphen of a name of ours parts no words.
    let whole = |part| part == MASK_DICE || MetricKind::ALL.iter().any(|kind| kind.name() == part);
    let parts = parts.flat_map(|part| match whole(part) {
        true => vec![part],
        false => part.split('-').collect(),
    });
    parts.filter(|part| !part.is_empty()).map(|part| ours(part).to_owned()).collect()
}

/// The names of figures by split.
pub(super) fn with_splits(splits: &[SplitName], names: &[String]) -> Vec<String> {
    splits
        .iter()
        .flat_map(|split| names.iter().map(move |name| format!("{split}.{name}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{epoch_figures, figure_names};
    use crate::loss::Outputs;
    use crate::record::COST;

    fn of_epochs() -> Vec<String> {
        let names: Vec<String> =
            epoch_figures(Outputs::Binary, false).into_iter().map(String::from).collect();
        with_splits(&[SplitName::Train, SplitName::Valid], &names)
    }

    #[test]
    fn a_name_of_another_tool_is_reported_with_ours() {
        let recorded = of_epochs();
        for (typed, meant) in [
            ("val_dice", "valid.dice.lesion"),
            ("valid.dice", "valid.dice.lesion"),
            ("valid.dice.leison", "valid.dice.lesion"),
            ("validation/dice_mean", "valid.dice.mean"),
            ("val_loss", "valid.loss"),
            ("val-loss", "valid.loss"),
            ("training loss", "train.loss"),
            ("valid.jaccard.pooled", "valid.iou.pooled"),
            ("val_acc", "valid.accuracy.pooled"),
            ("Valid.Dice.Mean", "valid.dice.mean"),
        ] {
            assert_eq!(nearest(typed, &recorded).map(String::as_str), Some(meant), "{typed}");
        }
        assert_eq!(nearest("perplexity", &recorded), None);
        assert_eq!(nearest("", &recorded), None);
    }

    #[test]
    fn the_figures_there_are_are_listed_by_what_they_have_in_common() {
        assert_eq!(
            list(&of_epochs()).unwrap(),
            "figures begin with `train.` or `valid.`, then loss, accuracy.pooled, \
             {dice, iou}.{mean, lesion, pooled}"
        );
        let labels = ["benign".to_owned(), "normal".to_owned()];
        let metrics = [MetricKind::Dice, MetricKind::Iou, MetricKind::Hd95];
        let names = figure_names(&metrics, &["lesion".to_owned()], &labels);
        assert_eq!(
            list(&with_splits(&[SplitName::Test], &names)).unwrap(),
            "figures begin with `test.`, then {dice, iou}.{mean, lesion, pooled, label.benign, \
             label.normal}, hd95.{mean, lesion, label.benign, label.normal}"
        );
        assert_eq!(list(&[]), None);
    }

    #[test]
    fn a_goal_may_be_left_out_or_agree() {
        assert_eq!(wrong_goal("valid.dice.lesion", None), None);
        assert_eq!(wrong_goal("valid.dice.lesion", Some(Goal::Highest)), None);
        assert_eq!(wrong_goal("valid.loss", Some(Goal::Lowest)), None);
        let said = wrong_goal("valid.dice.lesion", Some(Goal::Lowest)).unwrap();
        assert!(said.starts_with("higher is better for `valid.dice.lesion`"), "{said}");
        assert!(said.contains("its goal is \"highest\", not \"lowest\""), "{said}");
    }

    #[test]
    fn a_gate_that_holds_for_the_worst_values_alone_is_refused() {
        let gate = |at_least, at_most| GateSpec { at_least, at_most, ..GateSpec::default() };
        assert_eq!(wrong_bound("test.dice.mean", &gate(Some(0.7), None)), None);
        assert_eq!(wrong_bound("test.hd95.mean", &gate(None, Some(9.0))), None);
        assert_eq!(wrong_bound("test.dice.mean", &gate(Some(0.7), Some(0.99))), None);
        let of_distance = wrong_bound("test.hd95.mean", &gate(Some(5.0), None)).unwrap();
        assert!(of_distance.contains("lower is better") && of_distance.contains("give `at-most`"));
        let of_dice = wrong_bound("test.image-auc.macro", &gate(None, Some(0.9))).unwrap();
        assert!(of_dice.contains("higher is better") && of_dice.contains("give `at-least`"));
        assert!(wrong_bound(COST[0], &gate(Some(9.0), None)).unwrap().contains("give `at-most`"));
        assert_eq!(wrong_bound(COST[1], &gate(None, Some(9.0))), None);
    }
}
