//! A page that follows its runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::page_file::{PageFile, Written};
use super::page_records::read_some;
use super::run::stop_on_signal;
use crate::error::Result;
use crate::inference::find_runs;
use crate::record::{Record, RunState};
use crate::report::is_at_work;

/// Seconds between two looks at runs that are watched.
pub(super) const LOOK: u32 = 5;

/// Writes a page again whenever a run has got further, until no run may still change, or someone asks to stop.
pub(super) fn watch(
    page: &PageFile,
    names: &[String],
    root: &Path,
    mut written: Written,
) -> Result<Written> {
    let stop = stop_on_signal()?;
    let mut seen = progress(&written.records);
    while written.records.iter().any(is_at_work) && !stop.asked() {
        for _ in 0..10 * LOOK {
            std::thread::sleep(Duration::from_millis(100));
            if stop.asked() {
                return Ok(written);
            }
        }
        let runs = find_runs(names, root)?;
        let found = read_some(&runs)?;
        let now = progress(&found.0);
        if now != seen {
            written = page.write_of(found, String::new())?;
            seen = now;
        }
    }
    Ok(written)
}

/// How far runs came.
fn progress(records: &[Record]) -> Vec<(PathBuf, RunState, usize)> {
    let of = |record: &Record| (record.path.clone(), record.status.state, record.epochs.len());
    records.iter().map(of).collect()
}
