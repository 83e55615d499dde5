//! The machine's memory and this process's share of it, from Linux's `/proc` and control groups.

use std::path::Path;

use crate::file::read_to_string;

/// This process's peak resident memory in bytes; 0 where the system does not say.
pub(crate) fn peak() -> u64 {
    bytes_of("/proc/self/status", "VmHWM").unwrap_or(0)
}

/// Lets [`peak`] begin anew from what the process holds now, where the system can.
pub(crate) fn restart_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// All memory that this process may take, in bytes: that of the machine, or the limit of its control group; none where the
/// system does not say.
pub(crate) fn total() -> Option<u64> {
    least(bytes_of("/proc/meminfo", "MemTotal")?, Version::limit_of)
}

/// Memory that this process can still take without swapping, in bytes: what the machine has left, or the limit of a control
/// group leaves; none where the system does not say.
pub(crate) fn available() -> Option<u64> {
    least(bytes_of("/proc/meminfo", "MemAvailable")?, Version::left_in)
}

/// So many bytes of what can be made again, or half of what is left where that is less.
pub(crate) fn at_most(bytes: usize) -> usize {
    let half = available().and_then(|left| usize::try_from(left / 2).ok());
    half.map_or(bytes, |half| half.min(bytes))
}

/// What the machine has of something, or a control group of this process, whichever is least.
fn least(machine: u64, of: fn(&Version, &Path) -> Option<u64>) -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(groups.lines().filter_map(|line| least_of(line, of)).fold(machine, u64::min))
}

/// The least that the control group of a line of `/proc/self/cgroup` and those above it have: `4:memory:/path` is of version
/// 1, `0::/path` of version 2.
fn least_of(line: &str, of: fn(&Version, &Path) -> Option<u64>) -> Option<u64> {
    let (controller, path) = line.split_once(':')?.1.split_once(':')?;
    let version = [&VERSION_1, &VERSION_2].into_iter().find(|one| one.controller == controller)?;
    let root = Path::new(version.root);
    let folder = root.join(path.trim_start_matches('/'));
    let groups = folder.ancestors().take_while(|folder| folder.starts_with(root));
    groups.filter_map(|group| of(version, group)).min()
}

/// Where a version of control groups says what memory they may take.
struct Version {
    controller: &'static str,
    root: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`, what of the usage is of files, and is given back when memory is asked for.
    reclaimable: &'static str,
}

const VERSION_1: Version = Version {
    controller: "memory",
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};

const VERSION_2: Version = Version {
    controller: "",
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    usage: "memory.current",
    reclaimable: "inactive_file ",
};

impl Version {
    /// The limit of a control group, in bytes.
    fn limit_of(&self, group: &Path) -> Option<u64> {
        number(&group.join(self.limit))
    }

    /// What the limit of a control group leaves of its memory, in bytes.
    fn left_in(&self, group: &Path) -> Option<u64> {
        let statistics = read_to_string(group.join("memory.stat")).unwrap_or_default();
        let reclaimable = statistics.lines().find_map(|line| line.strip_prefix(self.reclaimable));
        let reclaimable = reclaimable.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        let used = number(&group.join(self.usage))?.saturating_sub(reclaimable);
        Some(self.limit_of(group)?.saturating_sub(used))
    }
}

/// The number that a file has; `None` where there is none, or it says `max`.
fn number(file: &Path) -> Option<u64> {
    read_to_string(file).ok()?.trim().parse().ok()
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
        assert_eq!(at_most(1000), 1000);
        assert!((1..total as usize).contains(&at_most(usize::MAX)));
    }

    #[test]
    fn a_group_leaves_its_limit_but_for_what_is_taken_and_is_not_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let left = || VERSION_2.left_in(folder.path());
        write("memory.current", "600\n");
        write("memory.max", "max\n");
        assert_eq!(left(), None);
        write("memory.max", "1000\n");
        assert_eq!(left(), Some(400));
        assert_eq!(VERSION_2.limit_of(folder.path()), Some(1000));
        write("memory.max", "500\n");
        assert_eq!(left(), Some(0));
        write("memory.stat", "anon 100\ninactive_file 300\n");
        assert_eq!(left(), Some(200));
    }
}
