//! The machine's memory and this process's share of it, from Linux's `/proc`.

use std::path::Path;

use crate::file::read_to_string;

/// This process's peak resident memory in bytes; 0 where the system does not say.
pub(crate) fn peak() -> u64 {
    bytes_of("/proc/self/status", "VmHWM").unwrap_or(0)
}

/// All memory of the machine, in bytes; none where the system does not say.
pub(crate) fn total() -> Option<u64> {
    bytes_of("/proc/meminfo", "MemTotal")
}

/// Memory that this process can still take without swapping, in bytes: what the machine has left, or a control group's
/// limit leaves; none where the system does not say.
pub(crate) fn available() -> Option<u64> {
    let machine = bytes_of("/proc/meminfo", "MemAvailable")?;
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let folder = root.join(own);
    let limits = folder.ancestors().take_while(|folder| folder.starts_with(root));
    Some(limits.filter_map(left_in).fold(machine, u64::min))
}

/// What the limit of a control group leaves of its memory, in bytes.
fn left_in(group: &Path) -> Option<u64> {
    let number =
        |name: &str| -> Option<u64> { read_to_string(group.join(name)).ok()?.trim().parse().ok() };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// A number of KiB in a file of lines such as `MemTotal: 24 kB`, in bytes.
fn bytes_of(file: &str, key: &str) -> Option<u64> {
    let text = read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_less_than_there_is() {
        let total = total().unwrap();
        assert!((1..total).contains(&peak()));
        assert!((1..=total).contains(&available().unwrap()));
    }

    #[test]
    fn a_group_without_a_limit_leaves_what_the_machine_has() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("memory.current", "600\n");
        write("memory.max", "max\n");
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(left_in(folder.path()), Some(400));
        write("memory.max", "500\n");
        assert_eq!(left_in(folder.path()), Some(0));
    }
}
