//! A summary for machines that show tests: JUnit XML.

use super::folds::{Folds, folds, unjudged};
use super::gates::{bound_in_words, fallen, value_in_words};
use super::names;
use super::words::escape;
use crate::record::{Gate, Record, RunState};

/// A run that could not begin.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NotBegun {
    /// Name of the experiment, and its seed where that is known.
    pub name: String,
    /// Why it could not.
    pub why: String,
}

/// A suite of tests for each run: one that it finished, and one for each gate; before them, for all folds of an experiment, one
/// for each of their gates. A gate that fell is a failure with figure, interval and bound; a run that did not finish or could
/// not begin, and gates that cannot be judged, are errors.
pub fn junit(records: &[Record], not_begun: &[NotBegun]) -> String {
    let labels = names::labels(records);
    let folds = folds(records);
    let mut suites: Vec<Suite> =
        folds.iter().filter(|one| !one.gates.is_empty()).map(of_folds).collect();
    suites.extend(records.iter().zip(&labels).map(|(record, label)| of_run(record, label)));
    suites.extend(
        unjudged(records, &folds).iter().map(|one| error(&one.experiment, "gates", one.why())),
    );
    suites.extend(not_begun.iter().map(|one| error(&one.name, "run", one.why.clone())));
    let sum = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    let texts: String = suites.iter().map(Suite::text).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"oncospec ci\" tests=\"{}\" failures=\"{}\" \
         errors=\"{}\">\n{texts}</testsuites>\n",
        sum(|suite| suite.tests.len()),
        sum(Suite::failures),
        sum(Suite::errors)
    )
}

/// Tests of one run, or of all folds.
struct Suite {
    label: String,
    /// The run directory.
    run: Option<String>,
    seconds: f64,
    tests: Vec<Test>,
}

struct Test {
    name: String,
    seconds: f64,
    verdict: Verdict,
}

enum Verdict {
    Passed,
    /// With a message and a text.
    Failed(String, String),
    /// With a message.
    Error(String),
}

fn of_folds(folds: &Folds) -> Suite {
    let tests = of_gates(&folds.gates, &folds.records[0]).collect();
    Suite { label: folds.label.clone(), run: None, seconds: 0.0, tests }
}

fn of_run(record: &Record, label: &str) -> Suite {
    let seconds: f64 = record.times.iter().map(|row| row.train_s + row.valid_s).sum();
    let status = &record.status;
    let verdict = match status.state {
        RunState::Finished => Verdict::Passed,
        state => Verdict::Error(format!("{state}: {}", status.why.as_deref().unwrap_or_default())),
    };
    let finished = Test { name: "run".into(), seconds, verdict };
    Suite {
        label: label.into(),
        run: Some(record.path.display().to_string()),
        seconds,
        tests: std::iter::once(finished).chain(of_gates(&record.gates, record)).collect(),
    }
}

fn of_gates<'a>(gates: &'a [Gate], record: &'a Record) -> impl Iterator<Item = Test> + 'a {
    gates.iter().map(|gate| {
        let (value, bound) = (value_in_words(gate, record), bound_in_words(gate));
        let verdict = match gate.held {
            true => Verdict::Passed,
            false => Verdict::Failed(
                format!("{} {value}, must be {bound}", gate.figure),
                fallen(gate, record),
            ),
        };
        Test { name: gate.figure.to_string(), seconds: 0.0, verdict }
    })
}

/// A suite of one test that could not be made.
fn error(label: &str, test: &str, why: String) -> Suite {
    let test = Test { name: test.into(), seconds: 0.0, verdict: Verdict::Error(why) };
    Suite { label: label.into(), run: None, seconds: 0.0, tests: vec![test] }
}

impl Suite {
    fn failures(&self) -> usize {
        self.tests.iter().filter(|test| matches!(test.verdict, Verdict::Failed(..))).count()
    }

    fn errors(&self) -> usize {
        self.tests.iter().filter(|test| matches!(test.verdict, Verdict::Error(_))).count()
    }

    fn text(&self) -> String {
        let (label, seconds) = (escape(&self.label), self.seconds);
        let mut text = format!(
            "  <testsuite name=\"{label}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\">\n",
            self.tests.len(),
            self.failures(),
            self.errors()
        );
        if let Some(run) = &self.run {
            text += &format!(
                "    <properties>\n      <property name=\"run\" value=\"{}\"/>\n    </properties>\n",
                escape(run)
            );
        }
        text.extend(self.tests.iter().map(|test| test.text(&label)));
        text + "  </testsuite>\n"
    }
}

impl Test {
    fn text(&self, suite: &str) -> String {
        let (name, seconds) = (escape(&self.name), self.seconds);
        let case =
            format!("    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{seconds:.3}\"");
        let within = match &self.verdict {
            Verdict::Passed => return format!("{case}/>\n"),
            Verdict::Failed(message, text) => {
                format!("<failure message=\"{}\">{}</failure>", escape(message), escape(text))
            }
            Verdict::Error(message) => format!("<error message=\"{}\"/>", escape(message)),
        };
        format!("{case}>\n      {within}\n    </testcase>\n")
    }
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
