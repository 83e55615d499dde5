//! A training step of a new spec, made by a process of its own, so that its memory is not that of what was done before and
//! a step that memory does not suffice for ends no more than that process.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::data::{FirstSpec, MeasuredStep};
use crate::error::{Error, Result};
use crate::memory;

/// Cases that the process reads, at most about as many.
const READ: usize = 64;

/// The step with the most cases that leaves half of the memory to others.
///
/// # Errors
/// If no step could be made.
pub(super) fn measured(spec: &Path, first: &FirstSpec) -> Result<MeasuredStep> {
    let available_bytes = memory::available()
        .ok_or_else(|| Error::failed("this system does not say how much memory there is"))?;
    let mut batch_size = first.batch_size();
    loop {
        let made = step(spec, batch_size, first.cases)?;
        match made {
            Some((seconds, peak_bytes)) if batch_size == 1 || peak_bytes <= available_bytes / 2 => {
                return Ok(MeasuredStep { batch_size, seconds, peak_bytes, available_bytes });
            }
            None if batch_size == 1 => {
                return Err(Error::failed(
                    "the process that made a step on one image was ended, perhaps since memory did not suffice: use a \
                     smaller `dataset.image-size`",
                ));
            }
            _ => batch_size = batch_size.div_ceil(2),
        }
    }
}

/// Seconds of a step and the peak memory of its process in bytes; none if a signal ended the process.
fn step(spec: &Path, batch_size: usize, cases: usize) -> Result<Option<(f64, u64)>> {
    let cannot = |error: std::io::Error| Error::failed(format!("cannot start `bench`: {error}"));
    let part = (READ as f64 / cases.max(1) as f64).min(1.0);
    let output = Command::new(std::env::current_exe().map_err(cannot)?)
        .arg("bench")
        .arg(spec)
        .args(["--json", "--device", "cpu", "--warmup", "1", "--steps", "1"])
        .args(["--batch-size", &batch_size.to_string()])
        .args(["--set", &format!("dataset.subset.train={part:?}")])
        .stdin(Stdio::null())
        .output()
        .map_err(cannot)?;
    if output.status.code().is_none() {
        return Ok(None);
    }
    let said: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let read =
        |said: &Value| Some((said["steps_s"][0].as_f64()?, said["peak_rss_bytes"].as_u64()?));
    said.as_ref().and_then(read).map(Some).ok_or_else(|| {
        let text = String::from_utf8_lossy(&output.stderr);
        Error::failed(text.lines().next_back().unwrap_or("`bench` said nothing").to_string())
    })
}
