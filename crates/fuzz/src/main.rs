//! Feeds a target files that libFuzzer makes up: `TARGET=spec oncospec-fuzz CORPUS`; see `run.sh`.
#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind, take_hook};
use std::process::abort;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

mod targets;

use targets::{TARGETS, Target};

/// The target of this process, and the folder that it works in.
static TARGET: LazyLock<(Target, TempDir)> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("TARGET: `{name}` is no target"));
    // libFuzzer ends the process at each panic, also at those of libraries that oncospec catches.
    drop(take_hook());
    (*target, tempfile::tempdir().expect("a folder to work in"))
});

fuzz_target!(|bytes: &[u8]| {
    let (target, folder) = &*TARGET;
    if catch_unwind(AssertUnwindSafe(|| target(folder.path(), bytes))).is_err() {
        abort();
    }
});
