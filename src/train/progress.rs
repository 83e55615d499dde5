//! Progress of training: bars on a terminal, else plain lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use burn_train::LearnerSummary;
use burn_train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn_train::metric::MetricDefinition;
use burn_train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text;

/// Progress of one run, on standard error.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    epoch: usize,
    epochs: usize,
    split: String,
    total: usize,
    said: Instant,
}

impl Progress {
    /// Bars where standard error is a terminal, a line every ten seconds where it is not, nothing if
    /// `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if quiet || !terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = "{prefix} [{bar:30}] {pos}/{len} cases, {elapsed} (left: {eta})";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            plain: !quiet && !terminal,
            epoch: 1,
            epochs: 0,
            split: String::new(),
            total: 0,
            said: Instant::now(),
        }
    }

    /// A handle that prints lines without breaking the bar.
    pub fn lines(&self) -> Lines {
        Lines { bar: self.bar.clone(), plain: self.plain }
    }

    fn prefix(&self) -> String {
        format!("epoch {}/{} {}", self.epoch, self.epochs, self.split)
    }
}

/// Lines beside a bar, on standard error.
#[derive(Clone)]
pub struct Lines {
    bar: ProgressBar,
    plain: bool,
}

impl Lines {
    /// Prints a line.
    pub fn say(&self, line: &str) {
        let line = text::lines(line);
        if self.plain {
            crate::progress::print(&format!("{line}"));
        } else {
            self.bar.println(line);
        }
    }
}

impl TrainingProgressLogger for Progress {
    fn start(&mut self, epochs: usize, first: usize, _: Option<usize>, _: Option<&str>) {
        (self.epochs, self.epoch) = (epochs, first);
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
    }

    fn start_split(&mut self, split: &str, total: usize) {
        (self.split, self.total) = (split.to_string(), total);
        self.bar.reset();
        self.bar.set_length(total as u64);
        self.bar.set_prefix(self.prefix());
    }

    fn update_split(&mut self, done: usize) {
        self.bar.set_position(done as u64);
        if self.plain && self.said.elapsed() > Duration::from_secs(10) {
            crate::progress::print(&format!("{}: {done}/{} cases", self.prefix(), self.total));
            self.said = Instant::now();
        }
    }

    fn end_split(&mut self) {}

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }

    fn log_event_training(&mut self, _: String) {}
}

impl MetricsRendererTraining for Progress {
    fn update_train(&mut self, _: MetricState) {}

    fn update_valid(&mut self, _: MetricState) {}

    fn on_train_end(
        &mut self,
        _: Option<LearnerSummary>,
    ) -> Result<(), Box<dyn core::error::Error>> {
        Ok(())
    }
}

impl MetricsRendererEvaluation for Progress {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl EvaluationProgressLogger for Progress {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRenderer for Progress {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, _: MetricDefinition) {}
}
