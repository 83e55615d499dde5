//! What becomes of work that a GPU fails at: an error that says what ran and what can be done.
//!
//! Burn runs the work of a GPU on threads of its own. A panic there ends neither the process nor the call: Burn writes it
//! to the log, the result is lost, and training would go on with what is in its memory. So the log is kept, and each piece
//! of work on a device ends in [`on_device`], which asks for it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once};

use log::{LevelFilter, Log, Metadata, Record};

use crate::error::{Error, Result, panic_text};

/// Where Burn logs that work on a device panicked.
const LOST_WORK: &str = "cubecl_common::device::handle";

/// What failed on a device since it was asked last.
static FAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

struct Kept;

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with(LOST_WORK)
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

/// Has failures of devices kept, and panics that become errors not printed.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // A program that has a logger of its own sees the failures there.
        if log::set_logger(&Kept).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            // Threads of a device: what panics there is logged, or a kernel that autotune tries in vain.
            if !CAUGHT.get() && !name.starts_with("DSU-") && !name.starts_with("DSD-") {
                before(panic);
            }
        }));
    });
}

/// Does work on a device; `doing` says what, such as `training, epoch 1, step 3`.
///
/// # Errors
/// If it panics, or the device failed at it or at work before it.
pub fn on_device<T>(doing: impl FnOnce() -> String, work: impl FnOnce() -> T) -> Result<T> {
    watch();
    let outer = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    let lost = std::mem::take(&mut *lost_work());
    let said =
        |panic: Box<dyn Any + Send>| panic_text(&*panic).unwrap_or("it gave no reason").to_string();
    judged(done.map_err(said), lost, doing)
}

/// What was done, unless something was lost.
fn judged<T>(
    done: Result<T, String>,
    mut lost: Vec<String>,
    doing: impl FnOnce() -> String,
) -> Result<T> {
    lost.extend(done.as_ref().err().cloned());
    match (done, lost.first()) {
        (Ok(done), None) => Ok(done),
        (_, first) => {
            let first = first.map_or("it gave no reason", String::as_str);
            // Memory that ran out makes other work fail too.
            let reason =
                lost.iter().find(|said| is_out_of_memory(said)).map_or(first, String::as_str);
            Err(failed(&doing(), reason))
        }
    }
}

fn is_out_of_memory(said: &str) -> bool {
    let said = said.to_lowercase();
    [
        "out of memory",
        "out of device memory",
        "out_of_memory",
        "outofmemory",
        "can't allocate",
        "bytes are available",
    ]
    .iter()
    .any(|sign| said.contains(sign))
}

/// The error of a device that said something while it was `doing` something.
pub fn failed(doing: &str, said: &str) -> Error {
    let reason = reason(said);
    let advice = if is_out_of_memory(said) {
        "; its memory is full: use a smaller schedule.batch-size (schedule.accumulate keeps the number of cases in a \
         step), schedule.activation-checkpointing = true, or a smaller dataset.image-size"
    } else if said.contains("UNSUPPORTED_PTX_VERSION") {
        "; NVRTC is newer than the NVIDIA driver: install a newer driver, or the NVRTC of an older CUDA toolkit"
    } else {
        ""
    };
    Error::failed(format!("the device failed while {doing}: {reason}{advice}"))
}

/// What a message says of the first cause, without a backtrace.
fn reason(said: &str) -> String {
    let ends = ["No backtrace", "Backtrace", "Asked at", "stack backtrace"];
    let end = ends.iter().filter_map(|end| said.find(end)).min().unwrap_or(said.len());
    let cause = said[..end].rsplit("Caused by:").map(str::trim).find(|part| !part.is_empty());
    let cause = cause.unwrap_or("it gave no reason");
    let line = cause.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    const MOST: usize = 300;
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_what_ran_and_what_to_do() {
        let full = on_device(
            || "training, epoch 1, step 3".into(),
            || panic!("Can't allocate buffer: CUDA_ERROR_OUT_OF_MEMORY\nBacktrace:\n 1: f"),
        );
        let full = full.map(|(): ()| ()).unwrap_err();
        assert_eq!(full.exit_code(), 1);
        let said = full.to_string();
        assert!(said.starts_with("the device failed while training, epoch 1, step 3: "), "{said}");
        assert!(said.contains("CUDA_ERROR_OUT_OF_MEMORY; its memory is full"), "{said}");
        assert!(said.contains("schedule.activation-checkpointing = true"), "{said}");
        assert!(!said.contains("Backtrace"), "{said}");
        assert_eq!(on_device(String::new, || 3).unwrap(), 3);
    }

    #[test]
    fn the_first_cause_is_what_is_said() {
        let said = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  \
                    can't allocate buffer of size: 4194304\nNo backtrace available\nAsked at:\n  1: f";
        let error = failed("training", said).to_string();
        let expected = "the device failed while training: can't allocate buffer of size: 4194304; its memory is full";
        assert!(error.starts_with(expected), "{error}");
        assert!(failed("a", "").to_string().ends_with("it gave no reason"));
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
