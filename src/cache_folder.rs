//! The folder of what can be made again: `$XDG_CACHE_HOME/oncospec`, or `~/.cache/oncospec`.

use std::path::PathBuf;

/// The folder; `None` where the environment names none.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("oncospec"))
}
