//! A summary for machines that show tests: JUnit XML.

use std::fmt::Write;

use super::gates::{bound_in_words, fallen, value_in_words};
use super::names;
use super::words::escape;
use crate::record::{Record, RunState};

/// A run that could not begin.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NotBegun {
    /// Name of the experiment, and its seed where that is known.
    pub name: String,
    /// Why it could not.
    pub why: String,
}

/// A suite of tests for each run: one that it finished, and one for each gate. A gate that fell is a failure with figure,
/// interval and bound; a run that did not finish, or could not begin, is an error.
pub fn junit(records: &[Record], not_begun: &[NotBegun]) -> String {
    let labels = names::labels(records);
    let mut suites = String::new();
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for (record, label) in records.iter().zip(&labels) {
        let (finished, fell) = counts(record);
        tests += 1 + record.gates.len();
        failures += fell;
        errors += usize::from(!finished);
        suites.push_str(&suite(record, label));
    }
    for NotBegun { name, why } in not_begun {
        tests += 1;
        errors += 1;
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{0}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    <testcase classname=\"{0}\" \
             name=\"run\">\n      <error message=\"{1}\"/>\n    </testcase>\n  </testsuite>",
            escape(name),
            escape(why)
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"oncospec ci\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

/// Whether a run finished, and how many of its gates fell.
fn counts(record: &Record) -> (bool, usize) {
    let fell = record.gates.iter().filter(|gate| !gate.held).count();
    (record.status.state == RunState::Finished, fell)
}

fn suite(record: &Record, label: &str) -> String {
    let (finished, fell) = counts(record);
    let seconds: f64 = record.times.iter().map(|row| row.train_s + row.valid_s).sum();
    let label = escape(label);
    let mut text = format!(
        "  <testsuite name=\"{label}\" tests=\"{}\" failures=\"{fell}\" errors=\"{}\" time=\"{seconds:.3}\">\n    \
         <properties>\n      <property name=\"run\" value=\"{}\"/>\n    </properties>\n",
        1 + record.gates.len(),
        usize::from(!finished),
        escape(&record.path.display().to_string()),
    );
    let run = format!("    <testcase classname=\"{label}\" name=\"run\" time=\"{seconds:.3}\"");
    // Writing to a string cannot fail.
    let _ = if finished {
        writeln!(text, "{run}/>")
    } else {
        let why = record.status.why.as_deref().unwrap_or_default();
        let message = escape(&format!("{}: {why}", record.status.state));
        writeln!(text, "{run}>\n      <error message=\"{message}\"/>\n    </testcase>")
    };
    for gate in &record.gates {
        let name = escape(&gate.figure.to_string());
        let case = format!("    <testcase classname=\"{label}\" name=\"{name}\" time=\"0\"");
        let _ = if gate.held {
            writeln!(text, "{case}/>")
        } else {
            let (value, bound) = (value_in_words(gate, record), bound_in_words(gate));
            writeln!(
                text,
                "{case}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escape(&format!("{} {value}, must be {bound}", gate.figure)),
                escape(&fallen(gate, record))
            )
        };
    }
    text + "  </testsuite>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples;

    #[test]
    fn a_gate_that_fell_is_a_failure_and_a_run_that_did_not_finish_an_error() {
        let root = tempfile::tempdir().unwrap();
        let fell = examples::busi(root.path(), "a<b", 0, 4, 40);
        let stopped = examples::interrupted(root.path());
        let not_begun = [NotBegun { name: "c".into(), why: "no \"data\"".into() }];
        let text = junit(&[fell, stopped], &not_begun);
        assert!(
            text.contains("tests=\"5\" failures=\"1\" errors=\"2\">\n  <testsuite name=\"a&lt;b"),
            "{text}"
        );
        let failure = "<failure message=\"test.hd95.mean is 31.7 (29.5 to 33.6), 9 left out, must be at most 25\">";
        assert!(text.contains(failure), "{text}");
        assert!(text.contains("<error message=\"interrupted: "), "{text}");
        assert!(text.contains("<error message=\"no &quot;data&quot;\"/>"), "{text}");
        assert_eq!(text.matches("<testsuite ").count(), text.matches("</testsuite>").count());
    }
}
