//! What tests share: where real data and fixtures are.

use std::path::{Path, PathBuf};

/// The folder with real data beside the repository, or `None` with the reason printed.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = match std::env::var_os("ONCOSPEC_SHARED") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let data = root.join("data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: no real data at {}", data.display());
    None
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let root = option_env!("ONCOSPEC_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    );
    root.join(name)
}
