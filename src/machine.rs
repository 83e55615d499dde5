//! Which machine this is: its name, what tells it from others that see the same files, and how many files a process may open.

/// The name of the machine; of one that does not say it, `this machine`.
pub(crate) fn name() -> String {
    let said = crate::file::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match said.trim() {
        "" => "this machine".into(),
        name => name.into(),
    }
}

/// What tells this machine, since it was started, from every other; `None` where the system does not say it.
pub(crate) fn boot() -> Option<String> {
    let said = crate::file::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(said.trim().to_string()).filter(|id| !id.is_empty())
}

/// How many files this process may have open at once; `None` where the system does not say, or sets no limit.
pub(crate) fn open_files() -> Option<u64> {
    let limits = crate::file::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
