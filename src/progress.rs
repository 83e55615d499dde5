//! How far long work on many files has come, shown on a terminal once it takes more than two seconds, and how far each of
//! several jobs has.
//!
//! Nothing is shown until a command line asks for it, so that who uses the library sees nothing.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text;

/// Work that takes less time is not worth a line.
const PATIENCE: Duration = Duration::from_secs(2);

static SHOWN: AtomicBool = AtomicBool::new(false);

/// From now on shows progress, where standard error is a terminal.
pub(crate) fn show() {
    SHOWN.store(std::io::stderr().is_terminal(), Ordering::Relaxed);
}

/// The lines of jobs that run at once.
static JOBS: OnceLock<MultiProgress> = OnceLock::new();

/// Prints lines on standard error, above those of the jobs that run.
pub(crate) fn say(lines: &str) {
    match JOBS.get() {
        Some(jobs) => jobs.suspend(|| print(lines)),
        None => print(lines),
    }
}

/// Prints lines on standard error, what is hidden in them shown. Where nobody reads it any more, they are lost, and the work
/// goes on: `eprintln!` would panic and end a training run.
pub(crate) fn print(lines: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text::lines(lines));
}

/// The line of one of several jobs, which says how far it has come; on a terminal alone.
pub(crate) struct JobLine(ProgressBar);

impl JobLine {
    /// The line of a job of that name, below those of others.
    pub(crate) fn new(name: &str) -> Self {
        if !SHOWN.load(Ordering::Relaxed) {
            return Self(ProgressBar::hidden());
        }
        let bar = JOBS.get_or_init(MultiProgress::new).add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{prefix}: {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(text::name(name).into_owned());
        bar.set_message("begins");
        Self(bar)
    }

    /// Whether anyone sees it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }

    /// How far it has come.
    pub(crate) fn tell(&self, what: &str) {
        self.0.set_message(text::name(what).into_owned());
    }
}

impl Drop for JobLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Work whose parts are counted, on any number of threads.
pub(crate) struct Counting {
    bar: ProgressBar,
    begun: Instant,
    patience: Duration,
    done: AtomicUsize,
}

impl Counting {
    /// Of so many parts; `what` says what is done with them, such as "reading masks".
    pub(crate) fn of(what: &'static str, parts: usize) -> Self {
        let target = match SHOWN.load(Ordering::Relaxed) {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self::on(target, PATIENCE, what, parts)
    }

    fn on(
        target: ProgressDrawTarget,
        patience: Duration,
        what: &'static str,
        parts: usize,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(parts as u64), target);
        let style = "{prefix} [{bar:30}] {pos}/{len}, {elapsed} (left: {eta})";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what);
        Self { bar, begun: Instant::now(), patience, done: AtomicUsize::new(0) }
    }

    /// So many parts more are done.
    pub(crate) fn add(&self, parts: usize) {
        let done = self.done.fetch_add(parts, Ordering::Relaxed) + parts;
        if self.begun.elapsed() >= self.patience {
            self.bar.set_position(done as u64);
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(patience: Duration) -> u64 {
        let target = ProgressDrawTarget::hidden();
        let counting = Counting::on(target, patience, "reading masks", 40);
        (0..4).for_each(|_| counting.add(3));
        counting.bar.position()
    }

    #[test]
    fn parts_are_counted_and_shown_once_work_takes_long() {
        assert_eq!(position(Duration::ZERO), 12);
        assert_eq!(position(Duration::from_secs(3600)), 0);
    }
}
