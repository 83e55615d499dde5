//! How far long work on many files has come, shown on a terminal once it takes more than two seconds.
//!
//! Nothing is shown until a command line asks for it, so that who uses the library sees nothing.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that takes less time is not worth a line.
const PATIENCE: Duration = Duration::from_secs(2);

static SHOWN: AtomicBool = AtomicBool::new(false);

/// From now on shows progress, where standard error is a terminal.
pub(crate) fn show() {
    SHOWN.store(std::io::stderr().is_terminal(), Ordering::Relaxed);
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
