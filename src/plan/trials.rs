//! The trials of a sweep: which keys each sets, drawn from the sweep's seed alone.

use std::collections::BTreeMap;

use toml::Value;

use crate::digest::sha256;
use crate::spec::{AxisRange, AxisSpec, SweepMethod, SweepSpec, matters};

/// Most trials of a sweep.
pub(super) const MOST: usize = 1000;

/// The keys of a trial with their values, in order of the keys.
pub(super) type Assignment = BTreeMap<String, Value>;

/// What is wrong with a sweep, whatever the data: each at its key.
pub(super) fn problems(sweep: &SweepSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if sweep.over.is_empty() {
        found.push(("sweep.over".into(), "no key is swept: name one, with its values".into()));
    }
    for (key, axis) in &sweep.over {
        let at = format!("sweep.over.{}", Value::from(key.as_str()));
        let wrong = range_problem(&sweep.method, axis).map(|message| (at.clone(), message));
        found.extend(wrong);
        if !matters(key) || ["seeds", "evaluation.splits"].contains(&key.as_str()) {
            let message =
                format!("trials that differ in `{key}` do not differ in what is chosen by");
            found.push((at.clone(), message));
        }
        let conditions = axis.when.iter().filter_map(|(other, allowed)| {
            let message = condition_problem(sweep, other, allowed)?;
            Some((format!("{at}.when.{}", Value::from(other.as_str())), message))
        });
        found.extend(conditions);
    }
    if let Err(keys) = order(sweep) {
        let message = format!("the conditions of {} wait for each other", keys.join(", "));
        found.push(("sweep.over".into(), message));
    }
    if found.is_empty() && assignments(sweep).len() > MOST {
        let message =
            format!("these are more than {MOST} trials: draw some by `kind = \"random\"`");
        found.push(("sweep.over".into(), message));
    }
    found
}

fn range_problem(method: &SweepMethod, axis: &AxisSpec) -> Option<String> {
    let (low, high, logarithm, whole) = match &axis.range {
        AxisRange::Values(_) => return None,
        AxisRange::Uniform(range) => (range.low, range.high, false, range.whole),
        AxisRange::LogUniform(range) => (range.low, range.high, true, range.whole),
    };
    if matches!(method, SweepMethod::Grid(_)) {
        return Some(
            "a grid needs `kind = \"values\"`, or draw trials by `kind = \"random\"`".into(),
        );
    }
    if low >= high {
        return Some(format!("it goes from {low} to {high}: `low` must be below `high`"));
    }
    if logarithm && low <= 0.0 {
        return Some(format!("`low` is {low}, which has no logarithm: give a number above 0"));
    }
    let cut = [low, high].into_iter().find(|bound| whole && bound.fract() != 0.0)?;
    Some(format!("{cut} is no whole number, and `whole` asks for whole ones"))
}

fn condition_problem(sweep: &SweepSpec, other: &str, allowed: &[Value]) -> Option<String> {
    let Some(axis) = sweep.over.get(other) else {
        return Some(format!(
            "`{other}` is not swept: a condition is on another key of `sweep.over`"
        ));
    };
    let AxisRange::Values(axis) = &axis.range else {
        return Some(format!("`{other}` has a range: a condition is on a key with `values`"));
    };
    let never = allowed.iter().find(|value| !axis.values.contains(value))?;
    Some(format!(
        "`{other}` never is {never}: its values are {}",
        Value::Array(axis.values.clone())
    ))
}

/// The keys, each after those that its condition is on.
///
/// # Errors
/// The keys whose conditions wait for each other.
fn order(sweep: &SweepSpec) -> Result<Vec<&String>, Vec<&str>> {
    let mut ordered: Vec<&String> = Vec::new();
    loop {
        let left = || sweep.over.iter().filter(|(key, _)| !ordered.contains(key));
        // A condition on a key that is not there is a mistake of its own.
        let ready = |(_, axis): &(&String, &AxisSpec)| {
            axis.when.keys().all(|key| ordered.contains(&key) || !sweep.over.contains_key(key))
        };
        match left().find(ready) {
            Some((key, _)) => ordered.push(key),
            None if ordered.len() == sweep.over.len() => return Ok(ordered),
            None => return Err(left().map(|(key, _)| key.as_str()).collect()),
        }
    }
}

/// The keys of each trial, each trial once. Equal sweeps give equal trials on every machine.
pub(super) fn assignments(sweep: &SweepSpec) -> Vec<Assignment> {
    let order = order(sweep).unwrap_or_default();
    let mut all = Vec::new();
    match &sweep.method {
        SweepMethod::Grid(_) => combine(sweep, &order, &Assignment::new(), &mut all),
        SweepMethod::Random(random) => {
            for trial in 0..random.trials {
                all.push(drawn(sweep, &order, |key| uniform(random.seed, trial, key)));
            }
        }
        SweepMethod::LatinHypercube(cube) => {
            for trial in 0..cube.trials {
                let within = |key: &str| {
                    let own = uniform(cube.seed, trial, &place(key));
                    let others = (0..cube.trials).map(|one| uniform(cube.seed, one, &place(key)));
                    let part = others.filter(|other| *other < own).count();
                    (part as f64 + uniform(cube.seed, trial, key)) / f64::from(cube.trials)
                };
                all.push(drawn(sweep, &order, within));
            }
        }
    }
    let mut each: Vec<Assignment> = Vec::new();
    for one in all {
        if !each.contains(&one) {
            each.push(one);
        }
    }
    each
}

/// The stream of numbers whose ranks are the parts of a key's range that trials are in.
fn place(key: &str) -> String {
    format!("{key} (part)")
}

/// Whether a key takes part in a trial.
fn takes_part(axis: &AxisSpec, trial: &Assignment) -> bool {
    axis.when.iter().all(|(key, allowed)| trial.get(key).is_some_and(|it| allowed.contains(it)))
}

/// Every combination of the values of the keys that are left; stops once there are too many.
fn combine(sweep: &SweepSpec, left: &[&String], trial: &Assignment, all: &mut Vec<Assignment>) {
    let Some((key, left)) = left.split_first() else { return all.push(trial.clone()) };
    let axis = &sweep.over[*key];
    let values = match &axis.range {
        AxisRange::Values(axis) => axis.values.as_slice(),
        AxisRange::Uniform(_) | AxisRange::LogUniform(_) => &[],
    };
    if !takes_part(axis, trial) {
        return combine(sweep, left, trial, all);
    }
    for value in values {
        if all.len() > MOST {
            return;
        }
        let mut trial = trial.clone();
        trial.insert((*key).clone(), value.clone());
        combine(sweep, left, &trial, all);
    }
}

/// The keys of a trial, each by its number from 0 to below 1.
fn drawn(sweep: &SweepSpec, order: &[&String], number: impl Fn(&str) -> f64) -> Assignment {
    let mut trial = Assignment::new();
    for key in order {
        let axis = &sweep.over[*key];
        if takes_part(axis, &trial) {
            trial.insert((*key).clone(), value(&axis.range, number(key)));
        }
    }
    trial
}

/// The value of a range for a number from 0 to below 1.
fn value(range: &AxisRange, number: f64) -> Value {
    match range {
        AxisRange::Values(axis) => {
            let index = (number * axis.values.len() as f64) as usize;
            axis.values[index.min(axis.values.len() - 1)].clone()
        }
        AxisRange::Uniform(range) if range.whole => {
            let (low, high) = (range.low as i64, range.high as i64);
            let steps = (number * (high - low + 1) as f64) as i64;
            Value::from((low + steps).min(high))
        }
        AxisRange::Uniform(range) => {
            rounded(range.low + number * (range.high - range.low), range.low, range.high)
        }
        AxisRange::LogUniform(range) => {
            let (low, high) = (range.low.ln(), range.high.ln());
            let drawn = (low + number * (high - low)).exp();
            match range.whole {
                true => Value::from(drawn.round().clamp(range.low, range.high) as i64),
                false => rounded(drawn, range.low, range.high),
            }
        }
    }
}

/// A number to four digits, so that what the last bits of a logarithm are on a machine decides nothing.
fn rounded(number: f64, low: f64, high: f64) -> Value {
    let rounded = format!("{number:.3e}").parse().unwrap_or(number);
    Value::from(rounded.clamp(low, high))
}

/// A number from 0 to below 1 of a seed, a trial and a key.
fn uniform(seed: u32, trial: u32, key: &str) -> f64 {
    let digits = sha256(format!("{seed} {trial} {key}"));
    let number = digits[..13].bytes().fold(0u64, |number, digit| {
        let digit = char::from(digit).to_digit(16).unwrap_or(0);
        16 * number + u64::from(digit)
    });
    number as f64 / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> SweepSpec {
        toml::from_str(&format!("metric = \"valid.dice.lesion\"\n{text}")).unwrap()
    }

    fn told(sweep: &SweepSpec) -> Vec<String> {
        let told = |trial: Assignment| {
            let keys = trial.into_iter().map(|(key, value)| format!("{key}={value}"));
            keys.collect::<Vec<_>>().join(" ")
        };
        assignments(sweep).into_iter().map(told).collect()
    }

    const CONDITION: &str = "
        [over.\"schedule.optimizer.kind\"]
        kind = \"values\"
        values = [\"adam\", \"sgd\"]
        [over.\"schedule.optimizer.momentum\"]
        kind = \"values\"
        values = [0.5, 0.9]
        when = { \"schedule.optimizer.kind\" = [\"sgd\"] }";

    #[test]
    fn a_grid_has_every_combination_once_and_keys_only_where_their_condition_holds() {
        let (kind, momentum) = ("schedule.optimizer.kind", "schedule.optimizer.momentum");
        let expected = [
            format!("{kind}=\"adam\""),
            format!("{kind}=\"sgd\" {momentum}=0.5"),
            format!("{kind}=\"sgd\" {momentum}=0.9"),
        ];
        assert_eq!(told(&sweep(&format!("kind = \"grid\"{CONDITION}"))), expected);
    }

    #[test]
    fn random_trials_stay_when_there_are_more_and_keep_to_their_ranges() {
        let range = "[over.\"schedule.optimizer.learning-rate\"]\nkind = \"log-uniform\"\nlow = 1e-4\nhigh = 1e-1
            [over.\"schedule.batch-size\"]\nkind = \"uniform\"\nlow = 2\nhigh = 5\nwhole = true";
        let of =
            |trials| sweep(&format!("kind = \"random\"\ntrials = {trials}\nseed = 3\n{range}"));
        let (few, many) = (assignments(&of(20)), assignments(&of(200)));
        assert_eq!(many[..20], few);
        let rates: Vec<f64> = many
            .iter()
            .map(|trial| trial["schedule.optimizer.learning-rate"].as_float().unwrap())
            .collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-1).contains(rate)));
        // A third of the logarithms lies in each power of ten.
        let low = rates.iter().filter(|rate| **rate < 1e-3).count();
        assert!((45..90).contains(&low), "{low}");
        let sizes: Vec<i64> =
            many.iter().map(|trial| trial["schedule.batch-size"].as_integer().unwrap()).collect();
        for size in 2..=5 {
            let count = sizes.iter().filter(|other| **other == size).count();
            assert!((25..75).contains(&count), "{size}: {count}");
        }
        assert!(sizes.iter().all(|size| (2..=5).contains(size)));
    }

    #[test]
    fn a_latin_hypercube_meets_each_part_of_a_range_once() {
        let range = "[over.\"augment.noise.probability\"]\nkind = \"uniform\"\nlow = 0\nhigh = 1";
        let cube = sweep(&format!("kind = \"latin-hypercube\"\ntrials = 8\n{range}"));
        let drawn = assignments(&cube);
        let mut parts: Vec<usize> = drawn
            .iter()
            .map(|trial| (trial["augment.noise.probability"].as_float().unwrap() * 8.0) as usize)
            .collect();
        assert_ne!(parts, [0, 1, 2, 3, 4, 5, 6, 7]);
        parts.sort_unstable();
        assert_eq!(parts, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_is_drawn_twice_is_one_trial() {
        let axis = "[over.\"schedule.batch-size\"]\nkind = \"values\"\nvalues = [2, 4]";
        let random = sweep(&format!("kind = \"random\"\ntrials = 30\n{axis}"));
        assert_eq!(assignments(&random).len(), 2);
    }

    #[test]
    fn ranges_conditions_and_keys_that_make_no_sense_are_named() {
        let said = |text: &str| {
            let found = problems(&sweep(text));
            found
                .into_iter()
                .map(|(key, why)| format!("{key}: {why}"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let axis = |key: &str, rest: &str| format!("\n[over.{key:?}]\n{rest}\n");
        let (grid, random) = ("kind = \"grid\"", "kind = \"random\"\ntrials = 2");
        let (up, down) = ("low = 1\nhigh = 2", "low = 2\nhigh = 1");
        let rate = "schedule.optimizer.learning-rate";
        let uniform = |bounds: &str| axis(rate, &format!("kind = \"uniform\"\n{bounds}"));
        let logarithm = axis(rate, "kind = \"log-uniform\"\nlow = 0\nhigh = 1");
        assert!(said(&format!("{grid}{}", uniform(up))).contains("a grid needs"));
        assert!(said(&format!("{random}{}", uniform(down))).contains("from 2 to 1"));
        assert!(said(&format!("{random}{logarithm}")).contains("no logarithm"));
        assert!(
            said(&format!("{random}{}", uniform("low = 0.5\nhigh = 2\nwhole = true")))
                .contains("0.5 is no whole")
        );
        let values = |key: &str, when: &str| {
            axis(key, &format!("kind = \"values\"\nvalues = [1, 2]\nwhen = {{ {when} }}"))
        };
        assert!(said(&format!("{grid}{}", values("run.workers", ""))).contains("`run.workers`"));
        let a = "schedule.epochs";
        let b = "schedule.batch-size";
        let on = |key: &str, value: u32| format!("{key:?} = [{value}]");
        assert!(said(&format!("{grid}{}", values(a, &on(b, 1)))).contains("is not swept"));
        let never = format!("{grid}{}{}", values(a, &on(b, 3)), values(b, ""));
        assert!(said(&never).contains("never is 3"));
        let circle = format!("{grid}{}{}", values(a, &on(b, 1)), values(b, &on(a, 1)));
        assert!(said(&circle).contains("wait for each other"));
        assert!(said(&format!("{grid}{}", values(a, ""))).is_empty());
        assert!(said(&format!("{grid}\n[over]")).contains("no key is swept"));
    }
}
