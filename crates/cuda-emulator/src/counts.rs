//! The summary of a process: how often the device was asked for what, as one JSON object.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Host-to-device copies of at most this many bytes are counted by size.
const SMALL_COPY_BYTES: u64 = 65_536;

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) modules_loaded: u64,
    pub(crate) launches: BTreeMap<String, u64>,
    /// Kernels that add floating-point numbers atomically.
    pub(crate) float_atomics: BTreeSet<String>,
    /// Kernels that were launched and not computed, or only in part.
    pub(crate) not_computed: BTreeSet<String>,
    pub(crate) warp_instructions: u64,
    pub(crate) host_to_device: Transfers,
    pub(crate) device_to_host: Transfers,
    pub(crate) device_to_device: Transfers,
    pub(crate) memsets: Transfers,
    pub(crate) small_host_to_device: BTreeMap<u64, u64>,
    pub(crate) stream_synchronisations: u64,
    pub(crate) event_synchronisations: u64,
    pub(crate) context_synchronisations: u64,
    /// NVRTC asks for tables when it starts: a process without requests has compiled nothing.
    pub(crate) export_table_requests: u64,
    pub(crate) allocations: Transfers,
    pub(crate) frees: u64,
    /// The most bytes that were allocated at one time, on all devices together.
    pub(crate) peak_bytes: u64,
}

/// How many there were, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfers {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

impl Transfers {
    /// Adds one.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.number += 1;
        self.bytes += bytes as u64;
    }

    fn json(self) -> String {
        format!("{{\"number\": {}, \"bytes\": {}}}", self.number, self.bytes)
    }
}

impl Counts {
    /// Adds a copy from the host.
    pub(crate) fn add_host_to_device(&mut self, bytes: usize) {
        self.host_to_device.add(bytes);
        if bytes as u64 <= SMALL_COPY_BYTES {
            *self.small_host_to_device.entry(bytes as u64).or_default() += 1;
        }
    }

    /// The JSON object.
    pub(crate) fn json(&self) -> String {
        let map = |entries: &mut dyn Iterator<Item = (String, u64)>| {
            let entries: Vec<String> =
                entries.map(|(name, number)| format!("    {}: {number}", quoted(&name))).collect();
            if entries.is_empty() {
                "{}".into()
            } else {
                format!("{{\n{}\n  }}", entries.join(",\n"))
            }
        };
        let list = |names: &BTreeSet<String>| {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            format!("[{}]", names.join(", "))
        };
        let launches: u64 = self.launches.values().sum();
        let mut by_kernel = self.launches.iter().map(|(name, number)| (name.clone(), *number));
        let mut by_size =
            self.small_host_to_device.iter().map(|(size, number)| (size.to_string(), *number));
        let fields = [
            ("modules_loaded", self.modules_loaded.to_string()),
            ("launches", launches.to_string()),
            ("launches_by_kernel", map(&mut by_kernel)),
            ("warp_instructions", self.warp_instructions.to_string()),
            ("kernels_with_float_atomics", list(&self.float_atomics)),
            ("kernels_not_computed", list(&self.not_computed)),
            ("host_to_device", self.host_to_device.json()),
            ("small_host_to_device_by_bytes", map(&mut by_size)),
            ("device_to_host", self.device_to_host.json()),
            ("device_to_device", self.device_to_device.json()),
            ("memsets", self.memsets.json()),
            ("stream_synchronisations", self.stream_synchronisations.to_string()),
            ("event_synchronisations", self.event_synchronisations.to_string()),
            ("context_synchronisations", self.context_synchronisations.to_string()),
            ("export_table_requests", self.export_table_requests.to_string()),
            ("allocations", self.allocations.json()),
            ("frees", self.frees.to_string()),
            ("peak_bytes", self.peak_bytes.to_string()),
        ];
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    /// Writes the JSON object to a file, in whose name `%p` is the number of the process.
    pub(crate) fn write(&self, file: &str) -> std::io::Result<()> {
        let id = std::process::id().to_string();
        let file = file.replace("%p", &id);
        // The name appears once the file is whole.
        let half = format!("{file}.{id}.tmp");
        std::fs::write(&half, self.json())?;
        std::fs::rename(half, file)
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_copies_are_counted_by_size() {
        let mut counts = Counts::default();
        counts.add_host_to_device(64);
        counts.add_host_to_device(64);
        counts.add_host_to_device(1 << 20);
        counts.launches.insert("a\"b".into(), 2);
        assert_eq!(counts.host_to_device, Transfers { number: 3, bytes: 128 + (1 << 20) });
        let json = counts.json();
        assert!(json.contains("\"64\": 2\n"), "{json}");
        assert!(json.contains("\"a\\\"b\": 2") && json.contains("\"launches\": 2"), "{json}");
    }
}
