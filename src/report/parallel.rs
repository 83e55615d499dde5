//! The trials of a sweep as parallel coordinates.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::names;
use super::words;
use crate::record::Sweep;

/// Size of the drawing, and its margins.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const SIDE: f64 = 70.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 24.0;

/// An axis: a key of the trials, or the figure that decides.
struct Axis {
    title: String,
    /// The value of each trial, from 0 at the lower end to 1; `None` where it has none.
    places: Vec<Option<f64>>,
    /// What stands at the lower and the upper end.
    ends: [String; 2],
}

/// A line for each trial over an axis for each key, numbers from low to high and words in their order, and one for the figure
/// that decides; the chosen trial is drawn over the others. Empty with fewer than two trials that have a value.
pub(super) fn drawing(sweep: &Sweep) -> String {
    let valued = sweep.trials.iter().filter(|trial| trial.value.is_some()).count();
    let keys: BTreeSet<&String> = sweep.trials.iter().flat_map(|trial| trial.keys.keys()).collect();
    if valued < 2 || keys.is_empty() {
        return String::new();
    }
    let of_key = |key: &String| {
        let texts = sweep.trials.iter().map(|trial| trial.keys.get(key).map(String::as_str));
        Axis::of_texts(key.clone(), texts.collect())
    };
    let mut axes: Vec<Axis> = keys.into_iter().map(of_key).collect();
    let metric = sweep.metric.split_once('.').map_or(sweep.metric.as_str(), |(_, name)| name);
    let values = sweep.trials.iter().map(|trial| trial.value.filter(|value| value.is_finite()));
    axes.push(Axis::of_numbers(names::figure(metric), values.collect(), words::figure));
    let x =
        |axis: usize| SIDE + (WIDTH - 2.0 * SIDE) * axis as f64 / (axes.len() - 1).max(1) as f64;
    let y = |place: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - place);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        words::escape(&format!(
            "{} trials over {} keys; trial {} was chosen. The table has all values.",
            sweep.trials.len(),
            axes.len() - 1,
            sweep.chosen
        ))
    );
    for (at, axis) in axes.iter().enumerate() {
        let across = x(at);
        let _ = write!(
            svg,
            "<line x1=\"{across:.1}\" x2=\"{across:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"var(--axis)\"/>",
            y(1.0),
            y(0.0)
        );
        let mut say = |text: &str, down: f64| {
            let _ = write!(
                svg,
                "<text x=\"{across:.1}\" y=\"{down:.1}\" text-anchor=\"middle\" font-size=\"12\" fill=\"var(--ink-soft)\">{}</text>",
                words::escape(text)
            );
        };
        say(&axis.title, 12.0);
        say(&axis.ends[1], TOP - 6.0);
        say(&axis.ends[0], HEIGHT - 8.0);
    }
    let mut order: Vec<usize> = (0..sweep.trials.len()).collect();
    order.sort_by_key(|&at| sweep.trials[at].number == sweep.chosen);
    for at in order {
        let trial = &sweep.trials[at];
        let points: Option<Vec<String>> = axes
            .iter()
            .enumerate()
            .map(|(axis, of)| Some(format!("{:.1},{:.1}", x(axis), y(of.places[at]?))))
            .collect();
        let Some(points) = points else { continue };
        let (colour, wide) =
            if trial.number == sweep.chosen { ("--run-1", 3.5) } else { ("--run-0", 1.2) };
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"var({colour})\" stroke-width=\"{wide}\"><title>trial {}</title></polyline>",
            points.join(" "),
            trial.number
        );
    }
    svg.push_str("</svg>");
    svg
}

impl Axis {
    /// Numbers where all are numbers, else words in their order.
    fn of_texts(title: String, texts: Vec<Option<&str>>) -> Self {
        let numbers = texts.iter().map(|text| text.map(str::parse::<f64>).transpose());
        if let Ok(numbers) = numbers.collect::<Result<Vec<Option<f64>>, _>>() {
            return Self::of_numbers(title, numbers, |value| value.to_string());
        }
        let words: BTreeSet<&str> = texts.iter().flatten().copied().collect();
        let words: Vec<&str> = words.into_iter().collect();
        let most = (words.len() - 1).max(1) as f64;
        let place =
            |text: &str| words.iter().position(|word| *word == text).map(|at| at as f64 / most);
        let ends = [words[0].to_owned(), words[words.len() - 1].to_owned()];
        Self { title, places: texts.iter().map(|text| text.and_then(place)).collect(), ends }
    }

    fn of_numbers(title: String, numbers: Vec<Option<f64>>, said: fn(f64) -> String) -> Self {
        let finite = || numbers.iter().flatten().copied();
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        // A rate is tried over powers of ten.
        let scale = |value: f64| if low > 0.0 && high / low >= 100.0 { value.ln() } else { value };
        let span = scale(high) - scale(low);
        let place = |value: f64| if span > 0.0 { (scale(value) - scale(low)) / span } else { 0.5 };
        Self {
            title,
            places: numbers.iter().map(|value| value.map(place)).collect(),
            ends: [said(low), said(high)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SweepTrial;

    fn trial(number: usize, rate: &str, kind: &str, value: Option<f64>) -> SweepTrial {
        let keys = [("rate", rate), ("loss.<kind>", kind)];
        let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        SweepTrial { number, keys, value, ..SweepTrial::default() }
    }

    #[test]
    fn each_trial_with_a_value_has_a_line_and_the_chosen_one_is_last() {
        let trials = vec![
            trial(1, "0.1", "\"bce\"", Some(0.5)),
            trial(2, "0.0001", "\"dice\"", Some(0.7)),
            trial(3, "0.01", "\"bce\"", None),
        ];
        let sweep = Sweep { metric: "valid.dice.mean".into(), chosen: 1, trials };
        let svg = drawing(&sweep);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.rfind("trial 1<") > svg.rfind("trial 2<"));
        assert!(svg.contains("loss.&lt;kind&gt;") && svg.contains("Dice, mean over cases"));
        assert_eq!(drawing(&Sweep::default()), "");
    }

    #[test]
    fn a_rate_over_powers_of_ten_has_a_scale_of_such() {
        let axis =
            Axis::of_texts("rate".into(), vec![Some("0.1"), Some("0.001"), Some("0.01"), None]);
        let places: Vec<Option<f64>> =
            axis.places.iter().map(|place| place.map(|at| (at * 1e6).round() / 1e6)).collect();
        assert_eq!(places, [Some(1.0), Some(0.0), Some(0.5), None]);
        assert_eq!(axis.ends, ["0.001", "0.1"]);
    }
}
