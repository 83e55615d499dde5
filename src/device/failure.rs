//! What becomes of work that a device fails at: an error that says what ran and what can be done.
//!
//! Burn tells of a failure in one of four ways. A panic on the thread that asked for the work, or an error where a result is
//! read, comes to the caller. A panic on a thread of the device ends neither the process nor the call: Burn writes it to the
//! log, and training would go on with what is in its memory. A kernel that was not launched is told of nowhere: what it
//! would have written is marked, and an error where it, or what was made of it, is read. So the log is kept, each piece
//! of work ends in [`on_device`], which asks for it, and what decides that work was done is read, not waited for.

use std::sync::{Mutex, MutexGuard, Once};

use log::{LevelFilter, Log, Metadata, Record};

use super::advice::{is_out_of_memory, reason, words};
use crate::error::{Error, Result};
use crate::panics::{Panicked, quietly};

/// Where Burn logs that work on a device panicked, and that a fused operation did.
const LOST_WORK: [&str; 2] = ["cubecl_common::device::handle", "burn_fusion::stream::queue"];

/// What failed on a device since it was asked last.
static FAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Kept;

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata) -> bool {
        LOST_WORK.iter().any(|target| metadata.target().starts_with(target))
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            lost_work().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn lost_work() -> MutexGuard<'static, Vec<String>> {
    FAILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Has failures of devices kept.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // A program that has a logger of its own sees the failures there.
        if log::set_logger(&Kept).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
    });
}

/// Does work on a device; `doing` says what, such as `training, epoch 1, step 3`.
///
/// # Errors
/// If it panics, or the device failed at it or at work before it.
pub fn on_device<T>(doing: impl FnOnce() -> String, work: impl FnOnce() -> T) -> Result<T> {
    watch();
    let done = quietly(work);
    let lost = std::mem::take(&mut *lost_work());
    judged(done, lost, doing)
}

/// The error of a device that said something while it was `doing` something, such as where a result is read.
pub fn failed(doing: &str, said: &str) -> Error {
    Error::failed(words(doing, said))
}

/// Whether a panic is of the code that computes, rather than a mistake in oncospec itself.
fn is_of_the_device(panicked: &Panicked) -> bool {
    let of_engine = |place: &String| {
        ["/burn-", "/cubecl-", "/cubek-", "/cudarc-"].iter().any(|part| place.contains(part))
    };
    panicked.place.as_ref().is_none_or(of_engine)
}

/// What was done, unless something was lost.
fn judged<T>(
    done: Result<T, Panicked>,
    mut lost: Vec<String>,
    doing: impl FnOnce() -> String,
) -> Result<T> {
    match done {
        Ok(done) if lost.is_empty() => return Ok(done),
        Ok(_) => {}
        Err(panicked) if lost.is_empty() && !is_of_the_device(&panicked) => {
            let place = panicked.place.unwrap_or_default();
            return Err(Error::failed(format!(
                "oncospec failed while {}: {} ({place}); please report it with this message",
                doing(),
                reason(&panicked.said)
            )));
        }
        Err(panicked) => lost.push(panicked.said),
    }
    // Memory that ran out makes other work fail too.
    let full = lost.iter().find(|said| is_out_of_memory(said));
    let said = full.or(lost.first()).map_or("", String::as_str);
    Err(failed(&doing(), said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_another_thread_passed_on_is_a_failure_of_the_device() {
        let full = on_device(
            || "training, epoch 1, step 3".into(),
            || std::panic::resume_unwind(Box::new("CUDA_ERROR_OUT_OF_MEMORY\nBacktrace:\n 1: f")),
        );
        let full = full.map(|(): ()| ()).unwrap_err();
        assert_eq!(full.exit_code(), 1);
        let said = full.to_string();
        let start = "the device failed while training, epoch 1, step 3: CUDA_ERROR_OUT_OF_MEMORY; ";
        assert!(said.starts_with(start), "{said}");
        assert!(!said.contains("Backtrace"), "{said}");
        assert_eq!(on_device(String::new, || 3).unwrap(), 3);
    }

    #[test]
    fn a_mistake_of_oncospec_is_no_failure_of_the_device_and_says_where_it_is() {
        let numbers: [u8; 2] = [1, 2];
        let index = numbers.len();
        let wrong = on_device(|| "predicting".into(), || numbers[index]).unwrap_err().to_string();
        assert!(
            wrong.starts_with("oncospec failed while predicting: index out of bounds"),
            "{wrong}"
        );
        assert!(wrong.contains("failure.rs:"), "{wrong}");
    }

    #[test]
    fn work_that_was_lost_on_a_thread_of_the_device_is_an_error() {
        let lost = |said: &[&str]| {
            let said = said.iter().map(ToString::to_string).collect();
            judged(Ok(1), said, || "predicting".into())
        };
        assert_eq!(lost(&[]).unwrap(), 1);
        assert_eq!(
            lost(&["CallError: unsupported mode"]).unwrap_err().to_string(),
            "the device failed while predicting: CallError: unsupported mode"
        );
        let full = lost(&["no such tensor", "out of memory"]).unwrap_err().to_string();
        assert!(full.contains("predicting: out of memory; its memory is full"), "{full}");
    }
}
