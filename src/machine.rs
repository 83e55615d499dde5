//! Which machine this is: its name, and what tells it from others that see the same files.

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
