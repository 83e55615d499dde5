//! What is written down: one line an event, in the file that `CUDA_EMULATOR_LOG` names.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// The log of a process; without a file, events are not even put into words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Option<Arc<Mutex<File>>>);

impl Log {
    /// Appends to a file, which several processes may share.
    pub(crate) fn to_file(path: &str) -> Self {
        match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Self(Some(Arc::new(Mutex::new(file)))),
            Err(error) => {
                complain(&format!("cannot write the log `{path}`: {error}"));
                Self::default()
            }
        }
    }

    /// Writes an event.
    pub(crate) fn event(&self, text: impl FnOnce() -> String) {
        if let Some(file) = &self.0 {
            let line = text() + "\n";
            let mut file = file.lock().unwrap_or_else(|poison| poison.into_inner());
            // A full disk must not end the program that is tested.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Says what went wrong, to the person and in the log.
    pub(crate) fn problem(&self, text: &str) {
        complain(text);
        self.event(|| text.to_string());
    }
}

/// One line on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "CUDA emulator: {text}");
}
