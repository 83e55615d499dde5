//! Gates in words.

use serde::Serialize;

use super::headline::left_out;
use super::words;
use crate::record::{Gate, Interval, Record, Reference};
use crate::spec::{Against, Goal, JudgedNumber};
use crate::text;

/// A gate on the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct GateView<'a> {
    #[serde(flatten)]
    gate: &'a Gate,
    /// Its bounds, such as `≥ 0.5`.
    bound: String,
}

impl<'a> GateView<'a> {
    pub(super) fn new(gate: &'a Gate) -> Self {
        let bounds = bounds(gate, ["≥", "≤"], on_page).join(" ");
        let bound = match gate.on {
            JudgedNumber::Value => bounds,
            JudgedNumber::Low => format!("lower end {bounds}"),
            JudgedNumber::High => format!("upper end {bounds}"),
        };
        Self { gate, bound }
    }
}

/// The number that a reference bounds a figure by, and the side that is right; `None` without a number to compare with.
fn limit(reference: &Reference) -> Option<(Goal, String)> {
    let by = match reference.goal {
        Goal::Highest => -reference.worse_at_most,
        Goal::Lowest => reference.worse_at_most,
    };
    Some((reference.goal, words::figure(reference.value? + by)))
}

/// What a figure is compared with, on the page.
fn on_page(reference: &Reference) -> String {
    compared(reference, &text::name(&reference.of))
}

/// What a figure is compared with, in Markdown and on a terminal.
fn in_text(reference: &Reference) -> String {
    compared(reference, &text::markdown_code(&reference.of))
}

fn compared(Reference { against, value, worse_at_most, .. }: &Reference, of: &str) -> String {
    match (value, against) {
        (Some(value), _) => {
            format!("{} in {of}, and worse by at most {worse_at_most}", words::figure(*value))
        }
        (None, Against::Baseline) => format!(
            "no worse than in {of}, which has no such figure yet: `oncospec ci --accept` writes it"
        ),
        (None, Against::LastRun) => format!("no worse than in {of}, of which there is none yet"),
    }
}

/// The bounds of a gate, with what precedes a lowest and a highest value.
fn bounds(gate: &Gate, [least, most]: [&str; 2], of: fn(&Reference) -> String) -> Vec<String> {
    let reference = gate.reference.as_ref().map(|reference| match limit(reference) {
        Some((Goal::Highest, limit)) => format!("{least} {limit} ({})", of(reference)),
        Some((Goal::Lowest, limit)) => format!("{most} {limit} ({})", of(reference)),
        None => of(reference),
    });
    let bounds = [
        gate.at_least.map(|bound| format!("{least} {bound}")),
        gate.at_most.map(|bound| format!("{most} {bound}")),
        reference,
    ];
    bounds.into_iter().flatten().collect()
}

/// A gate's bounds in words, such as `at least 0.5`, and which end of the interval must keep them.
pub(super) fn bound_in_words(gate: &Gate) -> String {
    let bounds = bounds(gate, ["at least", "at most"], in_text).join(" and ");
    match gate.on {
        JudgedNumber::Value => bounds,
        JudgedNumber::Low => format!("{bounds} at the lower end of its interval"),
        JudgedNumber::High => format!("{bounds} at the upper end of its interval"),
    }
}

/// The value of a gate's figure with its interval and the cases left out, in words.
pub(super) fn value_in_words(gate: &Gate, record: &Record) -> String {
    let figure = record.figure(&gate.figure);
    let left_out = figure.map(left_out).unwrap_or_default();
    match (gate.value, gate.interval) {
        (Some(value), Some(Interval { low, high })) if value.is_finite() => {
            format!("is {} ({}){left_out}", words::figure(value), words::range(low, high))
        }
        (Some(value), None) if value.is_finite() => {
            let lacks = if gate.on.is_value() { "" } else { " and has no interval" };
            format!("is {}{left_out}{lacks}", words::figure(value))
        }
        _ if figure.is_some() => format!("is undefined{left_out}"),
        _ => "was not recorded".into(),
    }
}

/// Why a gate fell, by the record of its run: the figure, its value and interval, and the bound.
pub fn fallen(gate: &Gate, record: &Record) -> String {
    format!(
        "{} {}, must be {}",
        text::markdown_code(&gate.figure.to_string()),
        value_in_words(gate, record),
        bound_in_words(gate)
    )
}
